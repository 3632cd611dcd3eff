/**
 * The trigger `memory` of policies on a real node: a process that really grows, the readings of the agent, and a checkpoint by the
 * engine `criu`. Prints the times from the growth to the request of the Checkpoint.
 */
import { join } from "node:path";
import { Watch } from "../../testbed/cluster/watch";
import { openEngine, type CheckpointObject, type Engine } from "../../testbed/node/engine";
import { eventually, scaled } from "../../testbed/node/testbed";
import { ready, stepsOn, type Steps } from "./support/steps";

/** Grows by 96 MB of its own memory on request, and returns it on another one, again and again. */
const GROWER =
  "while :; do while [ ! -e /data/grow ]; do sleep 0.1; done; rm /data/grow; x=$(head -c 96000000 /dev/zero | tr '\\0' x); echo grown; while [ ! -e /data/shrink ]; do sleep 0.1; done; rm /data/shrink; x=; echo shrunk; done";

/** Memory limit of the container, and the threshold of the policy: 20 percent of it. */
const LIMIT = "400Mi";
const THRESHOLD = 80 * 2 ** 20;
/** Crossings whose delay is measured. */
const CROSSINGS = 10;

/**
 * Reads the working set of the cgroup in $0 each 20 ms, and appends the time in ms to /tmp/crossed when it reaches the bytes in $1,
 * with cgroup v1 or v2. It is the reader of this test: the host service reads each 2 s.
 */
const SAMPLER = `
root=/sys/fs/cgroup; used_in=memory.current; inactive=inactive_file; below=1
[ ! -d $root/memory ] || { root=$root/memory; used_in=memory.usage_in_bytes; inactive=total_inactive_file; }
dir=$(find $root -type d -name "*$0*" | head -n 1); read_file=$dir/$used_in
: > /tmp/crossed
while used=$(cat "$read_file" 2> /dev/null); do
  cache=$(awk -v name=$inactive '$1 == name { print $2 }' "$dir/memory.stat")
  if [ $((used - cache)) -lt $1 ]; then below=1; elif [ $below = 1 ]; then below=0; date +%s%3N >> /tmp/crossed; fi
  sleep 0.02
done`;

interface NodeMemoryWatch {
  readonly spec: { readonly nodeName: string; readonly watches: readonly { readonly podUID: string }[] };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly message?: string;
    readonly crossings?: readonly { readonly time: string; readonly rearmed: boolean }[];
  };
  readonly metadata: { readonly generation: number };
}

type Taken = CheckpointObject & {
  readonly metadata: { readonly creationTimestamp: string; readonly annotations: Record<string, string> };
  readonly spec: { readonly podRef: { readonly name: string } };
};

let engine: Engine;
let steps: Steps;

beforeAll(async () => {
  engine = await openEngine({ quota: "400Mi", reserve: "100Mi" }, [], { policies: {} });
  steps = stepsOn(engine);
});
afterAll(() => engine?.close());

const list = (...args: string[]): readonly unknown[] =>
  (JSON.parse(engine.kubectl(["get", ...args, "-o", "json"])) as { items: readonly unknown[] }).items;
const watches = () => list("-n", "cedana-system", "nodememorywatches") as readonly NodeMemoryWatch[];
const due = ({ metadata: { annotations } }: Taken) => annotations["cedana.ai/policy-due"] ?? "";
const taken = () =>
  list("checkpoints.automation.cedana.ai", "-l", "cedana.ai/policy=full") as readonly Taken[];

/** Runs a pod with the container that grows. */
const run = (name: string) =>
  engine.runPod({
    metadata: { name },
    spec: {
      containers: [
        {
          name: "grower",
          image: "localhost:5000/busybox:1",
          command: ["/bin/sh", "-c", GROWER],
          resources: { limits: { memory: LIMIT } },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  });

test("a pod that grows is checkpointed when it crosses the threshold, once, and the agent writes nothing else", async () => {
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name: "full", namespace: "default" },
    spec: { trigger: { memory: { percent: 20 } }, action: { checkpoint: {} }, minSpacingSeconds: 0 },
  });
  run("web");
  run("small");
  await eventually(() => {
    const [watch] = watches();
    expect(watch?.spec.watches).toHaveLength(2);
    expect(watch?.status).toEqual({ observedGeneration: watch?.metadata.generation });
  }, 120);
  expect(taken()).toEqual([]);

  const startMs = Date.now();
  engine.kubectl(["exec", "web", "--", "touch", "/data/grow"]);
  const checkpoint = await eventually(() => {
    const [first, ...others] = taken();
    expect(others).toEqual([]);
    if (first === undefined) throw new Error("there is no Checkpoint");
    return first;
  }, 120);
  const seenMs = Date.now();
  const [watch] = watches();
  const [crossing] = watch?.status?.crossings ?? [];
  const crossedMs = Date.parse(crossing?.time ?? "");
  expect(checkpoint.spec.podRef.name).toBe("web");
  expect(checkpoint.metadata.annotations["cedana.ai/policy-due"]).toBe(crossing?.time);
  console.log(
    `memory: from the request to grow to the crossing that the agent recorded: ${crossedMs - startMs} ms; from there to the Checkpoint on the API server: at most ${seenMs - crossedMs} ms; both with the time of kubectl`,
  );
  expect(ready(await engine.ended(checkpoint.metadata.name))).toMatchObject({
    reason: "CheckpointCompleted",
  });

  // The memory stays: another agent reads it, and starts no second one.
  await engine.restartAgent();
  await new Promise((resolve) => setTimeout(resolve, scaled(10) * 1000));
  expect(taken()).toHaveLength(1);

  engine.kubectl(["exec", "web", "--", "touch", "/data/shrink"]);
  await eventually(() => {
    const { crossings } = watches()[0]?.status ?? {};
    expect(crossings).toEqual([{ ...crossing, rearmed: true }]);
  }, 60);
  expect(taken()).toHaveLength(1);
  expect(steps.controllerErrors()).toEqual([]);
});

test("measures the time from ten real crossings to their Checkpoints", async () => {
  const pod = JSON.parse(engine.kubectl(["get", "pod", "web", "-o", "json"])) as {
    status: { containerStatuses: { containerID: string }[] };
  };
  const id = pod.status.containerStatuses[0]?.containerID.replace(/^.*\/\//, "") ?? "";
  engine.onNode(
    "sh",
    "-c",
    'nohup setsid sh -c "$2" "$0" "$1" > /dev/null 2>&1 < /dev/null &',
    id,
    `${THRESHOLD}`,
    SAMPLER,
  );
  const created: number[] = [];
  const path = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/checkpoints";
  const watch = await new Watch(join(engine.folder, "kubeconfig"), path, {
    keep: false,
    onChange: ({ type, at }) => void (type === "ADDED" && created.push(at)),
  }).start();
  const before = taken().length;
  created.length = 0;
  const crossings = () => watches()[0]?.status?.crossings ?? [];
  const request = (file: string) => engine.kubectl(["exec", "web", "--", "touch", `/data/${file}`]);
  try {
    for (let count = 1; count <= CROSSINGS; count++) {
      request("grow");
      const checkpoint = await eventually(() => {
        const all = taken();
        expect(all).toHaveLength(before + count);
        const newest = all.toSorted((a, b) => (due(a) < due(b) ? 1 : -1))[0];
        if (newest === undefined) throw new Error("there is no Checkpoint");
        return newest;
      }, 120);
      expect(ready(await engine.ended(checkpoint.metadata.name))).toMatchObject({
        reason: "CheckpointCompleted",
      });
      request("shrink");
      await eventually(() => expect(crossings()).toEqual([expect.objectContaining({ rearmed: true })]), 60);
    }
    const crossed = engine.onNode("cat", "/tmp/crossed").trim().split("\n").map(Number);
    // The file may have moves around the threshold: the last one before each Checkpoint would flatter, so the first one counts.
    const delays = created.map((at, index) => {
      const since = created[index - 1] ?? 0;
      const [first = Number.NaN] = crossed.filter((time) => time > since && time <= at);
      return at - first;
    });
    const text = delays.map((ms) => (ms / 1000).toFixed(2)).join(", ");
    console.log(
      `memory: from the crossing in the cgroup to the Checkpoint on the API server, s: ${text}; by the clocks of the node and of this machine`,
    );
    expect(delays).toHaveLength(CROSSINGS);
    expect(delays.filter(Number.isNaN)).toEqual([]);
  } finally {
    await watch.close();
  }
});

test("the policy reports that the host service has no readings", async () => {
  const messageOf = () =>
    engine.kubectl([
      "get",
      "ckptpol",
      "full",
      "-o",
      "jsonpath={.status.conditions[?(@.type=='Ready')].message}",
    ]);
  engine.onNode("pkill", "-STOP", "-f", "cedana-noded");
  try {
    await eventually(() => expect(messageOf()).toContain("no readings of 1 node"), 240);
  } finally {
    engine.onNode("pkill", "-CONT", "-f", "cedana-noded");
  }
  await eventually(() => expect(messageOf()).not.toContain("no readings"), 120);
});
