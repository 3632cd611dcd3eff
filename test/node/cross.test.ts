/**
 * Restores between the two kinds of node in one cluster: one in namespaces, with the cgroups, kernel and processor of this
 * machine, and the virtual machine with its own. A checkpoint of one resumes on the other, or is refused with the reason before
 * anything is changed. Runs with CEDANA_NODE=vm, as only the cluster of a virtual machine has both.
 */
import { openEngine, type Engine } from "../../testbed/node/engine";
import { eventually, KIND, NODE_KINDS, type Kind } from "../../testbed/node/testbed";
import { NAMES, PAIR } from "./engine/pods";
import { RESTORE, stepsOn, type Steps } from "./support/steps";

const describeOnBoth = KIND === "vm" ? describe : describe.skip;

/** Events of a pod that end its restore. */
const OUTCOMES = ["Restored", "RestoreFellBack", "RestoreFailed"] as const;

describeOnBoth("between two kinds of node", () => {
  let engine: Engine;
  let steps: Steps;

  beforeAll(async () => {
    engine = await openEngine({ quota: "400Mi", reserve: "100Mi", allowCgroupV1: true });
    await engine.useNode("namespaces");
    steps = stepsOn(engine);
  });
  afterEach(() => steps?.deleteWorkloads());
  afterAll(() => engine?.close());

  /** Reads what differs between nodes, from the nodes themselves. */
  function factsOf(kind: Kind) {
    const unified = "[ -e /sys/fs/cgroup/cgroup.controllers ] && echo v2 || echo v1";
    const script = `${unified}; uname -r; sed -n 's/^flags.*: //p' /proc/cpuinfo | head -n 1`;
    const [cgroup = "", kernel = "", flags = ""] = engine.onKind(kind, "sh", "-c", script).split("\n");
    return { cgroup, kernel, flags: flags.split(" ") };
  }

  /** Creates a pod on a node. */
  function create(name: string, kind: Kind, annotations: object = {}): void {
    const nodeSelector = { "kubernetes.io/hostname": NODE_KINDS[kind].name };
    steps.create(name, { ...PAIR, nodeSelector }, annotations);
  }

  /** Waits for the event that ends the restore of a pod. */
  function outcome(pod: string): Promise<{ readonly reason: string; readonly message: string }> {
    return eventually(() => {
      const uid = engine.kubectl(["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]);
      const { items } = JSON.parse(
        engine.kubectl(["get", "events", "--field-selector", `involvedObject.uid=${uid}`, "-o", "json"]),
      ) as { items: readonly { reason: string; message: string }[] };
      const found = items.find(({ reason }) => (OUTCOMES as readonly string[]).includes(reason));
      if (found === undefined) throw new Error(`the restore of ${pod} has not ended`);
      return found;
    }, 150);
  }

  /** Returns the NodeRestore of a pod. */
  function nodeRestore(pod: string) {
    const { items } = JSON.parse(engine.kubectl(["get", "noderestores", "-A", "-o", "json"])) as {
      items: readonly {
        spec: { podRef: { name: string; uid: string } };
        status: { cause?: string; conditions: readonly { type: string; reason: string; message: string }[] };
      }[];
    };
    const uid = engine.kubectl(["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]);
    return items.find(({ spec }) => spec.podRef.uid === uid)!;
  }

  test.each([
    { from: "vm", to: "namespaces" },
    { from: "namespaces", to: "vm" },
  ] as const)("a checkpoint of $from resumes on $to, or is refused with the reason", async ({ from, to }) => {
    const [source, target] = [factsOf(from), factsOf(to)];
    create("source", from);
    const before = await steps.reach("source", NAMES, () => 3);
    // A restore that fell back uses its Checkpoint up.
    for (const name of ["cp", "another"]) await steps.taken(name, "source");
    create("copy", to, RESTORE("cp"));
    const { reason, message } = await outcome("copy");
    process.stdout.write(
      `${from} (${source.kernel}, cgroup ${source.cgroup}) -> ${to} (${target.kernel}, cgroup ${target.cgroup}): ${reason}: ${message}\n`,
    );
    const differences = [
      ...(source.cgroup === target.cgroup
        ? []
        : [`the node has cgroup ${target.cgroup}, at the checkpoint it had ${source.cgroup}`]),
      ...(source.flags.includes("avx512f") && !target.flags.includes("avx512f") ? ["avx512f"] : []),
    ];
    for (const each of differences) expect(message).toContain(each);
    if (reason === "Restored") {
      await steps.resumed("copy", NAMES, before);
      return;
    }
    expect(reason).toBe("RestoreFellBack");
    expect(message).toMatch(/the node has cgroup|the processor lacks/);
    // In the same pod, with its own volume, and CRIU did not run.
    const fresh = await steps.reach("copy", NAMES, () => 1);
    for (const [at, { token }] of fresh.entries()) expect(token).not.toBe(before[at]!.token);
    const token = engine.kubectl(["exec", "copy", "-c", "writer", "--", "cat", "/shared/token"]).trim();
    expect(token).toBe(fresh[0]!.token);
    expect(steps.status("copy", ".containerStatuses[*].restartCount")).toBe("0 0");
    const { spec, status } = nodeRestore("copy");
    expect(status.cause).toBe("Incompatible");
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ type: "Failed", status: "True", reason: "StartedFresh" }),
    );
    const plan = `/var/lib/cedana-cdk/restore/${spec.podRef.uid}`;
    expect(engine.onKind(to, "sh", "-c", `ls -d ${plan}/work ${plan}/backup 2> /dev/null; true`)).toBe("");

    create("stops", to, { ...RESTORE("another"), "cedana.ai/restore-fallback": "stop" });
    const stopped = await outcome("stops");
    expect(stopped.reason).toBe("RestoreFailed");
    expect(stopped.message).toMatch(/the node has cgroup|the processor lacks/);
    expect(steps.status("stops", ".containerStatuses[*].ready")).toBe("false false");
    // The source was not touched.
    await steps.resumed("source", NAMES, before);
  });
});
