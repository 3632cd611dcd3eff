/**
 * The engine `criu` as a user installs it: from one cedana.yaml to checkpoints and restored pods on a real node, verified by the
 * output of the processes.
 */
import { counting } from "../../testbed/node/counting";
import { openEngine, type Engine } from "../../testbed/node/engine";
import { eventually, KIND, NODE } from "../../testbed/node/testbed";
import { failed, ready, RESTORE, stepsOn } from "./support/steps";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

/** Counts as `counting` does, and writes its token into the emptyDir that the pod's containers share. */
const WRITER = {
  name: "writer",
  image: "localhost:5000/busybox:1",
  command: [
    "/bin/sh",
    "-c",
    "t=$(cat /proc/sys/kernel/random/uuid | tr -d -); [ -s /shared/token ] || echo $t > /shared/token; i=0; while :; do i=$((i+1)); echo $i > /shared/count; echo count $i token $t sum 0; sleep 1; done",
  ],
  volumeMounts: [{ name: "shared", mountPath: "/shared" }],
};
const READER = { ...counting("reader", 16), volumeMounts: [{ name: "shared", mountPath: "/shared" }] };
const PAIR = { containers: [WRITER, READER], volumes: [{ name: "shared", emptyDir: {} }] };
const NAMES = ["writer", "reader"] as const;

describeInNamespaces("engine criu", () => {
  let engine: Engine;
  let steps: ReturnType<typeof stepsOn>;

  beforeAll(async () => {
    engine = await openEngine({ quota: "400Mi", reserve: "100Mi" });
    steps = stepsOn(engine);
  });
  afterEach(() => steps.deleteWorkloads());
  afterAll(() => engine?.close());

  const reach = (pod: string, counts: readonly number[]) =>
    Promise.all(NAMES.map((name, at) => steps.counts.reach(pod, name, counts[at]!)));
  const tokens = (of: readonly { readonly token: string }[]) => of.map(({ token }) => token);
  const counted = (of: readonly { readonly count: number }[], more: number) =>
    of.map(({ count }) => count + more);
  const file = (pod: string, name: string) =>
    engine.kubectl(["exec", pod, "-c", "writer", "--", "cat", `/shared/${name}`]).trim();

  /** Creates a pod without waiting for it. */
  function create(name: string, spec: object, annotations: object = {}): void {
    const metadata = { name, annotations };
    const tolerations = [{ operator: "Exists" }];
    engine.kubectl(["create", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { tolerations, terminationGracePeriodSeconds: 1, ...spec },
    });
  }

  /** Waits for an event of a pod, and returns its message. */
  function event(reason: string, pod: string): Promise<string> {
    const fields = `reason=${reason},involvedObject.name=${pod}`;
    return eventually(() => {
      const message = engine.kubectl([
        "get",
        "events",
        "--field-selector",
        fields,
        "-o",
        "jsonpath={.items[*].message}",
      ]);
      if (message === "") throw new Error(`there is no event ${reason} of pod ${pod}`);
      return message;
    }, 150);
  }

  async function started(): Promise<Awaited<ReturnType<typeof reach>>> {
    engine.runPod({ metadata: { name: "web" }, spec: PAIR });
    return reach("web", [3, 3]);
  }

  test("a pod of two containers and an emptyDir resumes on its node, and leaves nothing there", async () => {
    const before = await started();
    const { status } = await steps.taken("cp", "web");
    const location = expect.stringMatching(/^localhost:5000\/checkpoints@sha256:[0-9a-f]{64}$/);
    expect(status).toMatchObject({
      nodeName: NODE.name,
      frozenMilliseconds: expect.any(Number),
      containers: NAMES.map((name) => ({ name, location })),
    });
    expect(new Set(status.containers?.map((one) => one.location)).size).toBe(1);
    // The checkpoint did not stop it.
    expect(tokens(await reach("web", counted(before, 2)))).toEqual(tokens(before));
    await eventually(() => expect(engine.archives()).toEqual([]));

    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec: PAIR });
    const after = await reach("web", counted(before, 3));
    expect(tokens(after)).toEqual(tokens(before));
    expect(file("web", "token")).toBe(before[0]!.token);
    expect(Number(file("web", "count"))).toBeGreaterThan(before[0]!.count);
    expect(await event("Restored", "web")).toContain("Checkpoint cp");
    // containerd 2.x restores no image: the pod keeps its own ones.
    const images = engine.kubectl(["get", "pod", "web", "-o", "jsonpath={.spec.containers[*].image}"]);
    expect(images).toBe("localhost:5000/busybox:1 localhost:5000/count:1");
    expect(engine.plansOnNode()).toHaveLength(1);
    engine.kubectl(["delete", "pod", "web"]);
    await eventually(() => expect(engine.plansOnNode()).toEqual([]));
  });

  test("the processes end with leaveRunning: false, and resume in another pod", async () => {
    const before = await started();
    const spec = { leaveRunning: false };
    engine.kubectl(["delete", "pod", "web"]);
    create("web", { ...PAIR, restartPolicy: "Never" });
    const first = await reach("web", [3, 3]);
    engine.take("cp", "web", spec);
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    engine.kubectl(["wait", "--for=jsonpath={.status.phase}=Failed", "pod/web", "--timeout=60s"]);
    engine.kubectl(["delete", "pod", "web"]);
    create("web", { ...PAIR, restartPolicy: "Never" }, RESTORE("cp"));
    const after = await eventually(() => NAMES.map((name) => steps.counts.last("web", name)));
    expect(tokens(after)).toEqual(tokens(first));
    expect(tokens(after)).not.toEqual(tokens(before));
  });

  test("an agent that is killed during a push, and one during a restore, resume their work", async () => {
    const large = {
      ...PAIR,
      containers: [WRITER, { ...counting("reader", 128), volumeMounts: READER.volumeMounts }],
    };
    engine.runPod({ metadata: { name: "web" }, spec: large });
    const before = await reach("web", [2, 2]);
    engine.take("cp", "web");
    // The journal has the request, and the service has the checkpoint.
    await eventually(() => expect(engine.archives().length).toBeGreaterThan(1));
    engine.onNode("pkill", "-9", "-f", "agent.js run");
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    await eventually(() => expect(engine.archives()).toEqual([]));
    engine.kubectl(["delete", "pod", "web"]);
    create("web", large, RESTORE("cp"));
    await eventually(() => expect(engine.plansOnNode()).toHaveLength(1));
    engine.onNode("pkill", "-9", "-f", "agent.js run");
    const after = await reach("web", counted(before, 3));
    expect(tokens(after)).toEqual(tokens(before));
    expect(await event("Restored", "web")).toContain("Checkpoint cp");
  });

  test("a pod that may do less than the checkpoint starts fresh, or not at all with restore-fallback: stop", async () => {
    const before = await started();
    await steps.taken("cp", "web");
    await steps.taken("other", "web");
    engine.kubectl(["delete", "pod", "web"]);
    const securityContext = { runAsUser: 1000, capabilities: { drop: ["ALL"] } };
    const spec = {
      ...PAIR,
      containers: PAIR.containers.map((container) => ({ ...container, securityContext })),
      securityContext: { fsGroup: 1000 },
    };
    create("web", spec, RESTORE("cp"));
    create("stops", spec, { ...RESTORE("other"), "cedana.ai/restore-fallback": "stop" });
    await event("RestoreFellBack", "web");
    const after = await eventually(() => steps.counts.last("web", "writer"));
    expect(after.token).not.toBe(before[0]!.token);
    expect(await event("RestoreFailed", "stops")).toContain("the user is 1000, at the checkpoint it was 0");
    const path = "jsonpath={.status.containerStatuses[*].ready}";
    expect(engine.kubectl(["get", "pod", "stops", "-o", path])).toBe("false false");
  });

  test("a deleted pod of a Deployment resumes from the newest checkpoint", async () => {
    engine.kubectl(["create", "-f", "-"], {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" }, annotations: RESTORE("latest") },
          spec: { ...PAIR, terminationGracePeriodSeconds: 1, tolerations: [{ operator: "Exists" }] },
        },
      },
    });
    const pod = await runningPod();
    const before = await reach(pod, [3, 3]);
    await steps.taken("cp", pod);
    engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
    const next = await runningPod();
    expect(next).not.toBe(pod);
    expect(tokens(await reach(next, counted(before, 3)))).toEqual(tokens(before));
  });

  test("a checkpoint over the quota or of a missing pod fails, and the pod keeps running", async () => {
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 500)] } });
    const before = await steps.counts.reach("web", "count", 2);
    engine.take("too-large", "web");
    engine.take("missing", "no-such-pod");
    expect(failed(await engine.ended("too-large"))).toMatchObject({
      status: "True",
      reason: "QuotaExceeded",
    });
    expect(failed(await engine.ended("missing"))).toMatchObject({
      status: "True",
      reason: "SourcePodNotFound",
    });
    await eventually(() => expect(engine.archives()).toEqual([]));
    expect((await steps.counts.reach("web", "count", before.count + 2)).token).toBe(before.token);
  });

  test("the controller logged no errors and no Node.js warnings", () => {
    expect(steps.controllerErrors()).toEqual([]);
  });

  /** Waits for the only running pod of app=web. */
  function runningPod(): Promise<string> {
    return eventually(() => {
      const { items } = JSON.parse(engine.kubectl(["get", "pods", "-l", "app=web", "-o", "json"])) as {
        items: readonly {
          metadata: { name: string; deletionTimestamp?: string };
          status: { phase: string };
        }[];
      };
      const alive = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const [pod] = alive;
      if (alive.length !== 1 || pod?.status.phase !== "Running")
        throw new Error("there is no running pod of app=web");
      return pod.metadata.name;
    }, 120);
  }
});
