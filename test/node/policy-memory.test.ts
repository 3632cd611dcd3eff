/**
 * The trigger `memory` of policies on a real node: a process that really grows, the readings of the agent, and a checkpoint by the
 * engine `criu`. Prints the times from the growth to the request of the Checkpoint.
 */
import { openEngine, type CheckpointObject, type Engine } from "../../testbed/node/engine";
import { eventually, scaled } from "../../testbed/node/testbed";
import { ready, stepsOn, type Steps } from "./support/steps";

/** Grows by 96 MB of its own memory on request, and returns it on another one. */
const GROWER =
  "while [ ! -e /data/grow ]; do sleep 0.1; done; x=$(head -c 96000000 /dev/zero | tr '\\0' x); echo grown; while [ ! -e /data/shrink ]; do sleep 0.1; done; x=; echo shrunk; while :; do sleep 1; done";

interface Watch {
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
const watches = () => list("-n", "cedana-system", "nodememorywatches") as readonly Watch[];
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
          resources: { limits: { memory: "400Mi" } },
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
