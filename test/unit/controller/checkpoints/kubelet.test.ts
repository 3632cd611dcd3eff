/**
 * Checkpoints by the engine kubelet: requests to the agents, reports of their results, and recovery: a controller
 * that crashes at any step leaves no unfinished Checkpoint and no NodeCheckpoint.
 */
import { ApiError } from "../../../../kube/client";
import { nodeLabelValue } from "../../../../api";
import { condition, DONE, Harness, NODE_CHECKPOINTS } from "./agents";
import { seconds } from "./support";

let harness: Harness;
beforeEach(() => jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") }));
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("requests the checkpoint from the node's agent and records its result", async () => {
  harness = new Harness();
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  const [created] = await harness.nodeCheckpoints();
  expect(created).toMatchObject({
    metadata: { name: harness.name, labels: { "automation.cedana.ai/node": nodeLabelValue("n1") } },
    spec: {
      nodeName: "n1",
      podRef: { namespace: "team-a", name: "counter-0" },
      containerName: "a",
      image: `registry.example.com/checkpoints:${harness.name}`,
      timeoutSeconds: 300,
    },
  });
  harness.edit(harness.name, DONE);
  await seconds(2);
  expect(harness.outcome()).toMatchObject({
    is: "Ready CheckpointCompleted",
    sizeBytes: 17,
    containers: [
      {
        name: "a",
        checkpointID: "sha256:aa",
        location: "registry.example.com/checkpoints@sha256:aa",
        sizeBytes: 17,
        architecture: "arm64",
        baseImage: "base@sha256:bb",
        frozenMilliseconds: 120,
        notRestored: [{ code: "restart", message: "begins again" }],
      },
    ],
  });
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test.each([
  ["QuotaExceeded", "QuotaExceeded"],
  ["RegistryFailed", "RegistryFailed"],
  ["CheckpointFailed", "CheckpointFailed"],
])("fails with the agent's reason %s", async (reason, expected) => {
  harness = new Harness();
  harness.agent({ conditions: [condition("Failed", reason, "why") as never] });
  await harness.checkpoint();
  harness.start();
  await seconds(4);
  expect(harness.outcome()).toMatchObject({ is: `Failed ${expected}`, message: "container a: why" });
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test.each([
  [{ leaveRunning: false }, "does not support leaveRunning: false"],
  [{ location: "/var/x" }, "does not support location"],
])("fails a Checkpoint with %j, which the kubelet does not support", async (spec, text) => {
  harness = new Harness();
  await harness.checkpoint(spec);
  harness.start();
  await seconds(2);
  expect(harness.outcome().is).toBe("Failed CheckpointFailed");
  expect(harness.outcome().message).toContain(text);
});

test("fails if the agent does not report, and waits longer for one that works", async () => {
  harness = new Harness();
  await harness.checkpoint();
  harness.start();
  await seconds(85);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  await seconds(25);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(harness.outcome().message).toMatch(
    /^container a: the agent of node n1 did not report within 90 s; check its pod/,
  );
  expect(await harness.nodeCheckpoints()).toEqual([]);
  await harness.end();

  harness = new Harness();
  await harness.checkpoint();
  harness.start();
  await seconds(5);
  harness.edit(harness.name, {
    conditions: [condition("Progressing", "Pushing", "to the registry") as never],
  });
  await seconds(300);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  await seconds(150);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(harness.outcome().message).toMatch(/its last message: to the registry$/);
});

test("a NodeCheckpoint deleted by another client fails the Checkpoint with a known outcome", async () => {
  harness = new Harness();
  await harness.checkpoint();
  harness.start();
  await seconds(5);
  harness.api.remove(`${NODE_CHECKPOINTS}/${harness.name}`);
  await seconds(2);
  await seconds(20);
  expect(harness.outcome()).toMatchObject({ is: "Failed CheckpointFailed" });
  expect(harness.outcome().message).toContain("was deleted by another client");
});

test("waits for a missing permission and reports it", async () => {
  harness = new Harness();
  harness.api.before = ({ method, path }) => {
    if (method === "POST" && path === NODE_CHECKPOINTS)
      throw new ApiError(403, "nodecheckpoints is forbidden");
  };
  await harness.checkpoint();
  harness.start();
  await seconds(4);
  expect(harness.outcome()).toMatchObject({ is: "- -" });
  expect(harness.outcome().message).toContain(
    "engine kubelet is unreachable: cannot create a NodeCheckpoint",
  );
  harness.api.before = undefined;
  harness.agent();
  await seconds(30);
  expect(harness.outcome().is).toBe("Ready CheckpointCompleted");
});

test("a request in flight at SIGTERM continues; the next controller records its outcome", async () => {
  harness = new Harness();
  await harness.checkpoint();
  const first = harness.start();
  await seconds(3);
  first.stop();
  await seconds(15);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  first.kill();
  harness.edit(harness.name, DONE);
  harness.start();
  await seconds(3);
  expect(harness.outcome().is).toBe("Ready CheckpointCompleted");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("after a crash at any step the next leader continues, and no NodeCheckpoint remains", async () => {
  let steps = 0;
  for (let step = 1; ; step++) {
    harness = new Harness(["a", "b"]);
    harness.agent();
    await harness.checkpoint();
    const first = harness.start(step);
    await seconds(8);
    const died = first.dead;
    first.kill();
    harness.start();
    await seconds(20);
    expect([step, harness.outcome().is]).toEqual([step, "Ready CheckpointCompleted"]);
    expect(harness.outcome().containers?.map(({ name, checkpointID }) => [name, checkpointID])).toEqual([
      ["a", "sha256:aa"],
      ["b", "sha256:aa"],
    ]);
    // The outcome was written before the NodeCheckpoint was deleted: the next sweep deletes it.
    await seconds(600);
    expect(await harness.nodeCheckpoints()).toEqual([]);
    await harness.end();
    if (!died) break;
    steps = step;
  }
  expect(steps).toBeGreaterThanOrEqual(8);
});
