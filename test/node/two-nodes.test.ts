/**
 * Two nodes of one kind in a cluster: a pod is checkpointed on one and resumes on the other, by way of the registry, and back
 * again. Verified by what its processes print: their memory, their files, the emptyDir and the connection that they have.
 * CEDANA_NODE_SECOND_CONTAINERD and CEDANA_NODE_SECOND_RUNC are the versions of the second node.
 */
import { counting } from "../../testbed/node/counting";
import { openEngine, type Engine } from "../../testbed/node/engine";
import { eventually, KIND, NODE_KINDS, type Kind } from "../../testbed/node/testbed";
import { RESTORE, stepsOn, type Steps } from "./support/steps";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

const NAMES = ["writer", "reader"] as const;

/**
 * A pod whose first container keeps the token of its process in a file of its root file system, in the emptyDir and in
 * /dev/shm, and prints it from there. It deletes a file of its image. `sum` of the second one is that of its memory.
 */
const POD = {
  containers: [
    {
      name: "writer",
      image: "localhost:5000/busybox:1",
      command: [
        "/bin/sh",
        "-c",
        `t=$(cat /proc/sys/kernel/random/uuid | tr -d -)
         mkdir /made; echo $t > /made/token; echo $t > /shared/token; echo $t > /dev/shm/token; rm /bin/wget
         exec 3< /made/token; i=0
         while :; do
           i=$((i+1))
           echo files $(cat /made/token /shared/token /dev/shm/token /proc/self/fd/3 | sort -u) wget $([ -e /bin/wget ] && echo there)
           echo count $i token $t sum 0
           sleep 1
         done`,
      ],
      volumeMounts: [{ name: "shared", mountPath: "/shared" }],
    },
    { ...counting("reader", 64), volumeMounts: [{ name: "shared", mountPath: "/shared" }] },
  ],
  volumes: [{ name: "shared", emptyDir: {} }],
};

describeInNamespaces("between two nodes", () => {
  let engine: Engine;
  let steps: Steps;

  beforeAll(async () => {
    engine = await openEngine({ quota: "400Mi", reserve: "100Mi" });
    engine.addSecondNode();
    await engine.useNode("second");
    steps = stepsOn(engine);
  });
  afterEach(() => steps?.deleteWorkloads());
  afterAll(() => engine?.close());

  function create(name: string, kind: Kind, annotations: object = {}): void {
    const nodeSelector = { "kubernetes.io/hostname": NODE_KINDS[kind].name };
    steps.create(name, { ...POD, nodeSelector }, annotations);
  }

  /** Returns the lines that a container printed about its memory or its files, without what changes in each. */
  const printed = (pod: string, container: string, pattern: RegExp) => [
    ...new Set(
      [...engine.kubectl(["logs", pod, "-c", container]).matchAll(pattern)].map(([, found]) => found!),
    ),
  ];
  const files = (pod: string) => printed(pod, "writer", /^files (.*)$/gm);
  const memory = (pod: string) => printed(pod, "reader", /^count \d+ token \w+ sum (\d+)$/gm);

  test("a pod resumes on the other node with its memory and files, and then on the first one again", async () => {
    create("first", "namespaces");
    const before = await steps.reach("first", NAMES, () => 3);
    const token = before[0]!.token;
    expect(files("first")).toEqual([`${token} wget`]);
    const sum = memory("first");
    expect(sum).toHaveLength(1);

    let [from, last] = ["first", before];
    for (const [to, kind] of [
      ["second", "second"],
      ["third", "namespaces"],
    ] as const) {
      const { status } = await steps.taken(`of-${from}`, from);
      expect(status.nodeName).not.toBe(NODE_KINDS[kind].name);
      const address = steps.status(from, ".podIP");
      engine.kubectl(["delete", "pod", from, "--grace-period=1"]);
      create(to, kind, RESTORE(`of-${from}`));
      await steps.event("Restored", to);
      await steps.resumed(to, NAMES, last);
      expect(engine.kubectl(["get", "pod", to, "-o", "jsonpath={.spec.nodeName}"])).toBe(
        NODE_KINDS[kind].name,
      );
      expect(steps.status(to, ".containerStatuses[*].restartCount")).toBe("0 0");
      expect(steps.status(to, ".podIP")).not.toBe(address);
      // Each line since the restore, by the same processes: none was started on this node.
      expect(files(to)).toEqual([`${token} wget`]);
      expect(memory(to)).toEqual(sum);
      const numbers = printed(to, "writer", /^count (\d+)/gm).map(Number);
      expect(Math.min(...numbers)).toBeGreaterThan(3);
      [from, last] = [to, await steps.reach(to, NAMES, () => 1)];
    }
  });

  test("the replacement of a pod resumes on the node that is left after a drain", async () => {
    const labels = { app: "web" };
    engine.kubectl(["apply", "-f", "-"], {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: RESTORE("latest") },
          spec: { ...POD, terminationGracePeriodSeconds: 1 },
        },
      },
    });
    const pod = await steps.onlyPod();
    const before = await steps.reach(pod, NAMES, () => 3);
    const node = engine.kubectl(["get", "pod", pod, "-o", "jsonpath={.spec.nodeName}"]);
    await steps.taken("cp", pod);
    engine.kubectl(["cordon", node]);
    try {
      engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
      const next = await steps.onlyPod();
      expect(next).not.toBe(pod);
      await steps.resumed(next, NAMES, before);
      expect(files(next)).toEqual([`${before[0]!.token} wget`]);
      await eventually(() =>
        expect(engine.kubectl(["get", "pod", next, "-o", "jsonpath={.spec.nodeName}"])).not.toBe(node),
      );
    } finally {
      engine.kubectl(["uncordon", node]);
    }
  });

  // The last test: there is only one node after it.
  test("a pod of a node that was lost resumes on the other one", async () => {
    create("lost", "second");
    const before = await steps.reach("lost", NAMES, () => 3);
    await steps.taken("cp", "lost");
    engine.endSecondNode();
    engine.kubectl(["delete", "pod", "lost", "--force", "--grace-period=0"]);
    create("found", "namespaces", RESTORE("cp"));
    await steps.event("Restored", "found");
    await steps.resumed("found", NAMES, before);
    expect(files("found")).toEqual([`${before[0]!.token} wget`]);
    engine.kubectl(["delete", "node", NODE_KINDS.second.name]);
  });
});
