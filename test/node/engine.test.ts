/**
 * The engine `kubelet` as a user installs it: real checkpoints and restores, verified by the output of the processes. The first
 * tests run on each kind of node, the others on the node in namespaces only. `core.test.ts` has what each change must pass.
 */
import { counting, type Counts } from "../../testbed/node/counting";
import { openEngine, type Engine } from "../../testbed/node/engine";
import { run } from "../../testbed/node/run";
import { eventually, KIND } from "../../testbed/node/testbed";
import { failed, ready, RESTORE, stepsOn } from "./support/steps";

let engine: Engine;
let steps: ReturnType<typeof stepsOn>;
let counts: Counts;

beforeAll(async () => {
  engine = await openEngine({ quota: "400Mi", reserve: "100Mi" });
  steps = stepsOn(engine);
  ({ counts } = steps);
});
afterEach(() => steps.deleteWorkloads());
afterAll(() => engine?.close());

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;
const HEALTH_CHECK = "app.kubernetes.io/component=health-check";
const TEMPLATE = { metadata: { labels: { app: "web" } } };

/** Returns a container that runs a command, then counts as `counting` does. */
const shellAfter = (command: string) => {
  const count =
    "t=$(cat /proc/sys/kernel/random/uuid | tr -d -); i=0; while :; do i=$((i+1)); echo count $i token $t sum 0; sleep 1; done";
  return {
    name: "shell",
    image: "localhost:5000/busybox:1",
    command: ["/bin/sh", "-c", `${command}; ${count}`],
  };
};

test("both containers of a pod resume", async () => {
  const { status } = await steps.resumes([counting("one", 16), counting("two", 16)]);
  expect(status.containers).toHaveLength(2);
});

test("a deleted pod of a Deployment resumes from the newest checkpoint", async () => {
  const containers = [counting("count", 16)];
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { ...TEMPLATE.metadata, annotations: RESTORE("latest") }, spec: { containers } },
    },
  });
  const { before, after } = await replacePod();
  expect(after.token).toBe(before.token);
});

test("an agent that is killed during a push resumes it with the same archive", async () => {
  engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 256)] } });
  const before = await counts.reach("web", "count", 2);
  engine.take("cp", "web");
  await eventually(() => expect(engine.archives()).toHaveLength(1));
  engine.onNode("pkill", "-9", "-f", "agent.js run");
  expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
  expect(engine.archives()).toEqual([]);
  expect((await counts.reach("web", "count", before.count + 2)).token).toBe(before.token);
});

test("a checkpoint over the quota or of a missing pod fails, and the pod keeps running", async () => {
  engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 500)] } });
  const before = await counts.reach("web", "count", 2);
  engine.take("too-large", "web");
  engine.take("missing", "no-such-pod");
  expect(failed(await engine.ended("too-large"))).toMatchObject({
    status: "True",
    message: expect.stringMatching(/use \d+ MiB of the quota of 400 MiB/),
  });
  expect(failed(await engine.ended("missing"))).toMatchObject({
    status: "True",
    reason: "SourcePodNotFound",
  });
  expect(engine.archives()).toEqual([]);
  expect((await counts.reach("web", "count", before.count + 2)).token).toBe(before.token);
});

test("another CRIU on the runtime's path makes the node unready until it is removed", async () => {
  const link = "/usr/local/sbin/criu";
  await steps.nodeIs("True", /./);
  engine.onNode("sh", "-c", `mv ${link} ${link}.away && ln -s /usr/sbin/criu ${link}`);
  try {
    expect(await steps.nodeIs("False", /criuLink: /)).toMatch(/ points to \/usr\/sbin\/criu/);
  } finally {
    engine.onNode("mv", "-fT", `${link}.away`, link);
  }
  await steps.nodeIs("True", /./);
});

describeInNamespaces("only in namespaces, as they take long on a virtual machine", () => {
  test("a shell resumes", async () => {
    const shell = shellAfter("true");
    expect(ready(await steps.resumes([shell]))).toMatchObject({ status: "True" });
  });

  test("256 MB of a non-root user with a read-only root file system resume", async () => {
    const securityContext = { runAsUser: 1000, runAsNonRoot: true, readOnlyRootFilesystem: true };
    const { status } = await steps.resumes([
      { ...counting("count", 256), securityContext } as { name: string },
    ]);
    expect(status.containers?.[0]?.sizeBytes).toBeGreaterThan(256 * 2 ** 20);
  });

  test("each pod of a StatefulSet resumes from its own checkpoint", async () => {
    engine.kubectl(["create", "-f", "-"], {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "web" },
      spec: {
        replicas: 2,
        podManagementPolicy: "Parallel",
        serviceName: "web",
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { ...TEMPLATE.metadata, annotations: RESTORE("latest") },
          spec: { containers: [counting("count", 16)] },
        },
      },
    });
    const pods = ["web-0", "web-1"];
    const before = await Promise.all(pods.map((pod) => counts.reach(pod, "count", 3)));
    await Promise.all(pods.map((pod) => steps.taken(`cp-${pod}`, pod)));
    engine.kubectl(["delete", "pods", ...pods, "--grace-period=1"]);
    const after = await Promise.all(pods.map((pod, at) => counts.reach(pod, "count", before[at]!.count + 3)));
    expect(after.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
  });

  test("a deleted pod of a Job resumes", async () => {
    const spec = { containers: [counting("count", 16)], restartPolicy: "Never" };
    engine.kubectl(["create", "-f", "-"], {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "web" },
      spec: { template: { metadata: { ...TEMPLATE.metadata, annotations: RESTORE("latest") }, spec } },
    });
    const { before, after } = await replacePod();
    expect(after.token).toBe(before.token);
  });

  test("the agent retries while the registry does not respond, and the health check reports it", async () => {
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 16)] } });
    await counts.reach("web", "count", 2);
    const registry = (signal: string) =>
      run("pkill", [signal, "-f", `registry serve .*--disk ${engine.folder}/`]);
    registry("-STOP");
    try {
      engine.take("cp", "web");
      await eventually(() => expect(engine.archives()).toHaveLength(1));
      // After a response the check is repeated after 5 minutes only; a new pod checks immediately.
      const pod = [..."-n cedana-system -l".split(" "), HEALTH_CHECK];
      engine.kubectl(["delete", "pod", "--grace-period=1", ...pod]);
      await eventually(() =>
        expect(engine.kubectl(["get", "pod", ...pod, "-o", "json"])).toMatch(
          /registry: localhost:5000\/checkpoints does not respond/,
        ),
      );
      expect(engine.archives()).toHaveLength(1);
    } finally {
      registry("-CONT");
    }
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    expect(engine.archives()).toEqual([]);
    await steps.nodeIs("True", /./);
  });

  test("concurrent and consecutive checkpoints all complete and leave nothing on the disk", async () => {
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 1)] } });
    const before = await counts.reach("web", "count", 2);
    engine.take("a", "web");
    engine.take("b", "web");
    for (const name of ["a", "b"]) expect(ready(await engine.ended(name))).toMatchObject({ status: "True" });
    for (let at = 0; at < 20; at++) await steps.taken(`row-${at}`, "web");
    expect(engine.archives()).toEqual([]);
    expect((await counts.reach("web", "count", before.count + 2)).token).toBe(before.token);
  });

  test("a checkpoint on a full disk fails and leaves no files, and the pod keeps running", async () => {
    const folder = "/var/lib/kubelet/checkpoints";
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 256)] } });
    const before = await counts.reach("web", "count", 2);
    // More than the reserve, less than the archive.
    engine.onNode("mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", folder);
    try {
      await engine.restartAgent();
      engine.take("full", "web");
      expect(failed(await engine.ended("full"))).toMatchObject({
        status: "True",
        message: expect.stringContaining("no space left on device"),
      });
      expect(engine.onNode("ls", folder)).toBe("");
    } finally {
      engine.onNode("umount", "-l", folder);
      await engine.restartAgent();
    }
    expect((await counts.reach("web", "count", before.count + 2)).token).toBe(before.token);
    await steps.taken("cp", "web");
  });

  test("after a failed restore the pod starts from its own image, or stays failed with restore-fallback: stop", async () => {
    // A file that is open in an emptyDir is not in the checkpoint, and not in the new pod.
    const shell = {
      ...shellAfter("exec 3>/scratch/open"),
      volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
    };
    const spec = { containers: [shell], volumes: [{ name: "scratch", emptyDir: {} }] };
    engine.runPod({ metadata: { name: "web" }, spec });
    const before = await counts.reach("web", "shell", 3);
    await steps.taken("cp", "web");
    await steps.taken("other", "web");
    engine.kubectl(["delete", "pod", "web"]);
    const stop = { ...RESTORE("other"), "cedana.ai/restore-fallback": "stop" };
    for (const [name, annotations] of [["web", RESTORE("cp")] as const, ["stops", stop] as const])
      engine.kubectl(["create", "-f", "-"], {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, annotations },
        spec,
      });
    const eventOf = (reason: string, pod: string) =>
      eventually(() => {
        const fields = `reason=${reason},involvedObject.name=${pod}`;
        expect(engine.kubectl(["get", "events", "--field-selector", fields, "-o", "name"])).not.toBe("");
      }, 150);
    await eventOf("RestoreFellBack", "web");
    // The log of a failed start may contain lines of the checkpointed process.
    await eventually(() => expect(counts.last("web", "shell").token).not.toBe(before.token), 120);
    await eventOf("RestoreFailed", "stops");
    const state = engine.kubectl([
      "get",
      "pod",
      "stops",
      "-o",
      "jsonpath={.status.containerStatuses[0].ready}",
    ]);
    expect(state).toBe("false");
  });
});

test("the controller logged no errors and no Node.js warnings", () => {
  expect(steps.controllerErrors()).toEqual([]);
});

/** Checkpoints and deletes the only pod of app=web. Returns its last count, and a later count of its replacement. */
async function replacePod() {
  const pod = await onlyPod();
  const before = await counts.reach(pod, "count", 3);
  await steps.taken("cp", pod);
  engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
  const next = await onlyPod();
  expect(next).not.toBe(pod);
  return { before, after: await counts.reach(next, "count", before.count + 3) };
}

async function onlyPod(): Promise<string> {
  return eventually(() => {
    const { items } = JSON.parse(engine.kubectl(["get", "pods", "-l", "app=web", "-o", "json"])) as {
      items: readonly { metadata: { name: string; deletionTimestamp?: string }; status: { phase: string } }[];
    };
    const alive = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const [pod] = alive;
    if (alive.length !== 1 || pod?.status.phase !== "Running")
      throw new Error("there is no running pod of app=web");
    return pod.metadata.name;
  });
}
