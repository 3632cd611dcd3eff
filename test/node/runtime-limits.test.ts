/**
 * What a checkpoint can hold and what it cannot, each kind of object on a real node: a process that uses it all the time resumes
 * in a new pod, or the host service rejects the checkpoint before the freeze, with the setting that helps.
 */
import { RESUMES, REJECTED, type Held } from "../../testbed/node/limits";
import { openServiceNode, type ServiceNode } from "../../testbed/node/service";
import { eventually, KIND, REGISTRY } from "../../testbed/node/testbed";
import { RESTORE_ANNOTATION } from "../../testbed/node/wrapper";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

const CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "BPF", "PERFMON", "SYS_PTRACE", "IPC_LOCK"];
const RIGHTS = { all: { privileged: true }, some: { capabilities: { add: CAPABILITIES } } };

/** Sources of the tests of descriptors and of processes of `kubectl exec`. */
const SESSIONS = [
  { what: "a session", hold: ["file"] },
  { what: "a session with a connection", hold: ["unix-echo", "/data/echo.sock"] },
  { what: "descriptors", hold: ["file"] },
] as const;

const manifest = (name: string, held: Held, annotations: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, annotations },
  spec: podOf(held),
});

/** Returns the pod of a process that holds something. */
function podOf({ hold, second, rights, pod = {} }: Held) {
  const container = (name: string, list: readonly string[]) => ({
    name,
    image: "localhost:5000/hold:1",
    command: ["/bin/hold", ...list.map((each) => (each === "REGISTRY" ? REGISTRY : each))],
    volumeMounts: [{ name: "data", mountPath: "/data" }],
    ...(rights === undefined ? {} : { securityContext: RIGHTS[rights] }),
  });
  return {
    runtimeClassName: "cedana",
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 0,
    tolerations: [{ operator: "Exists" }],
    volumes: [{ name: "data", emptyDir: {} }],
    containers: [container("main", hold), ...(second === undefined ? [] : [container("second", second)])],
    ...pod,
  };
}

describeInNamespaces("a checkpoint", () => {
  let node: ServiceNode;

  const ALL: readonly Held[] = [...RESUMES, ...REJECTED, ...SESSIONS];
  const nameOf = (held: Held) => `source-${ALL.indexOf(held)}`;

  beforeAll(async () => {
    node = await openServiceNode("hold");
    removePods();
    // All at once: most of the time of a test is the start and the end of its pods.
    const items = ALL.map((held) => manifest(nameOf(held), held));
    node.kubectl(["create", "-f", "-"], { apiVersion: "v1", kind: "List", items });
    node.kubectl(["wait", "--for=condition=Ready", "pods", "--all", "--timeout=300s"]);
  });
  afterEach(() => {
    node.kubectl(["delete", "pod", "copy", "--grace-period=0", "--force", "--ignore-not-found"]);
    node.script("rm -rf /var/lib/cedana-cdk/checkpoints/* /var/lib/cedana-cdk/restore/*");
  });
  afterAll(() => {
    if (node === undefined) return;
    removePods();
    node.close();
  });

  const removePods = () =>
    node.kubectl(["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=true"]);
  const logs = (pod: string) => node.kubectl(["logs", pod, "-c", "main"]);

  /** Waits until a pod has printed more uses than `after`, and returns how many. */
  const used = (pod: string, after = 0): Promise<number> =>
    eventually(() => {
      const log = logs(pod);
      if (/^(unavailable|broken)/m.test(log)) throw new Error(`${pod}: ${log.slice(0, 400)}`);
      const ticks = [...log.matchAll(/^tick (\d+)$/gm)].map(([, number]) => Number(number));
      const last = ticks.at(-1) ?? 0;
      if (last <= after) throw new Error(`${pod} stands at ${last}: ${log.slice(0, 400)}`);
      return last;
    });

  async function start(held: Held) {
    const source = nameOf(held);
    if (held.second !== undefined)
      node.kubectl(["wait", "--for=condition=Ready", `pod/${source}`, "--timeout=60s"]);
    return { source, podUID: node.uid(source), uses: await used(source, 2) };
  }

  /** Restores the checkpoint `limit` in a new pod. */
  function restore(held: Held) {
    node.kubectl(["create", "-f", "-"], manifest("copy", held, { [RESTORE_ANNOTATION]: "" }));
    const copy = node.uid("copy");
    const deadline = new Date(Date.now() + 600_000).toISOString();
    // As the method stage leaves it.
    node.script(`staging=/var/lib/cedana-cdk/restore/.staging-${copy}
mkdir -m 700 $staging
mv /var/lib/cedana-cdk/checkpoints/limit $staging`);
    const plan = { checkpoint: "limit", podUID: copy, deadline, fallback: "fail", restart: "fresh" };
    expect(node.call("lay", plan)).toMatchObject({ status: 0 });
    return eventually(() => {
      const state = JSON.parse(node.script(`cat /var/lib/cedana-cdk/restore/${copy}/state.json`)) as {
        decision: string;
        message?: string;
      };
      expect(state).toMatchObject({ decision: "restore", containers: { main: { phase: "Restored" } } });
      return state;
    });
  }

  test.each(RESUMES.map((held) => [held.what, held] as const))("resumes with %s", async (_, held) => {
    const { source, podUID, uses } = await start(held);
    const { tcp } = held;
    node.checkpoint({ uid: "limit", podUID, ...(tcp === undefined ? {} : { tcp }) });
    await used(source, uses);
    await restore(held);
    // Not from the beginning: a fresh start has used it fewer times.
    const [, first] = await eventually(() => {
      const found = /^(?:tick|broken) (\d+|.*)$/m.exec(logs("copy"));
      if (!found) throw new Error("copy prints nothing");
      return found;
    });
    expect(Number(first)).toBeGreaterThanOrEqual(uses);
    await used("copy", Number(first) + 2);
  });

  test.each(REJECTED.map((held) => [held.what, held] as const))("is rejected with %s", async (_, held) => {
    const { source, podUID, uses } = await start(held);
    // The process that another pod traces is none of the checkpoint.
    const before = node.leftovers();
    const { status, stderr } = node.call("checkpoint", { uid: "limit", podUID, tcp: held.tcp ?? "close" });
    expect(status).toBe(1);
    const error = JSON.parse(stderr.replace(/^cedana-noded: /, "")) as Record<string, string>;
    // This reason is given before the freeze.
    expect(error).toMatchObject({ reason: "CheckpointNotPossible", container: "main", remedy: held.remedy });
    expect(error["message"]).toContain(held.message);
    // The pod, its containers or a process with its name.
    expect(error["message"]).toMatch(/^(process \d+ \((hold|exe)\) |the (pod|container) |the container's )/);
    expect(node.leftovers()).toBe(before);
    await used(source, uses);
  });

  test("is taken while a process of kubectl exec runs, which is no part of it", async () => {
    const [held] = SESSIONS;
    const { source, podUID, uses } = await start(held);
    // It would be rejected if it were part of the checkpoint.
    node.script(execute(source, "io_uring"));
    node.checkpoint({ uid: "limit", podUID });
    await restore(held);
    await used("copy", uses);
    expect(node.kubectl(["exec", "copy", "--", "ps"])).not.toContain("hold io_uring");
    expect(node.kubectl(["exec", source, "--", "ps"])).toContain("hold io_uring");
  });

  test("is restored as a process that has the descriptors that it had, and no other", async () => {
    const held = SESSIONS[2];
    const { source, podUID } = await start(held);
    const descriptors = (pod: string) =>
      node.kubectl([
        "exec",
        pod,
        "--",
        "sh",
        "-c",
        "ls -l /proc/1/fd | sed -n 's/.* \\([0-9]* -> [^:]*\\).*/\\1/p'",
      ]);
    const before = descriptors(source);
    expect(before).toContain(" -> /held");
    node.checkpoint({ uid: "limit", podUID });
    await restore(held);
    expect(descriptors("copy")).toBe(before);
  });

  test("is rejected while a process of kubectl exec is connected to the container by a unix socket", async () => {
    const { source, podUID, uses } = await start(SESSIONS[1]);
    node.script(execute(source, "unix-dial /data/echo.sock"));
    await eventually(() => {
      const { stderr } = node.call("checkpoint", { uid: "limit", podUID });
      expect(stderr).toContain("has a unix stream connection to a process outside the container");
      expect(stderr).toContain("It can be of a kubectl exec session");
    });
    await used(source, uses);
  });

  /** Returns a script that runs hold in the container as `kubectl exec` does, without waiting for it. */
  function execute(pod: string, list: string): string {
    const path = "{.status.containerStatuses[0].containerID}";
    const id = node.kubectl(["get", "pod", pod, "-o", `jsonpath=${path}`]).replace("containerd://", "");
    return `ctr -n k8s.io tasks exec --detach --exec-id session ${id} /bin/hold ${list}`;
  }
});
