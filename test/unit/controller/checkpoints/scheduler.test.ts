/** The scheduler: slots of nodes, pods, waiting. On an API server in memory. */
import { CHECKPOINTS, failing, FakeEngine, Harness, seconds } from "./support";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

const create = async (name: string, podName: string, age: number) => {
  jest.setSystemTime(Date.parse("2026-11-21T14:00:00Z") + age * 1000);
  await harness.checkpoint(name, { podRef: { name: podName } });
};

test("limits concurrency per pod and per node, oldest first, and reports why a checkpoint is pending", async () => {
  for (const name of ["p1", "p2", "p3", "p4"]) harness.pod(name);
  harness.pod("elsewhere", { node: "n2" });
  await create("z-oldest", "p1", 0);
  await create("y", "p1", 1);
  await create("x", "p2", 2);
  await create("w", "p3", 3);
  await create("a-youngest", "p4", 4);
  await create("b", "elsewhere", 5);
  harness.start({ maxPerNode: 2 });
  await seconds(0.5);
  expect(harness.engine.requested.toSorted()).toEqual(["elsewhere/a", "p1/a", "p2/a"]);
  expect(harness.status("y")).toMatchObject({
    reason: "Pending",
    message: "pod team-a/p1 is in use by team-a/z-oldest",
  });
  expect(harness.status("a-youngest").message).toBe(
    "node n1 has reached maxPerNode (2); other Checkpoints start first",
  );
  await seconds(20);
  expect(harness.engine.requested.slice(3)).toEqual(["p1/a", "p3/a", "p4/a"]);
  expect(harness.engine.maxConcurrent).toBe(3);
  expect(["z-oldest", "y", "x", "w", "a-youngest", "b"].map((name) => harness.status(name).reason)).toEqual(
    Array.from({ length: 6 }, () => "CheckpointCompleted"),
  );
});

test("fails a Checkpoint that has waited for its slot or its pod until the deadline, with what it waited for", async () => {
  harness.pod("p1");
  harness.pod("p2");
  harness.pod("later", { phase: "Pending" });
  harness.engine.work = () => new Promise(() => {});
  await create("running", "p1", 0);
  await create("no-slot", "p2", 1);
  await create("no-pod", "later", 1);
  harness.start({ maxPerNode: 1, waitSeconds: 300 });
  await seconds(290);
  expect(["no-slot", "no-pod"].map((name) => harness.status(name).reason)).toEqual(["Pending", "Pending"]);
  await seconds(70);
  expect(harness.status("no-slot")).toMatchObject({
    reason: "DeadlineExceeded",
    true: ["Failed"],
    message:
      "not started within checkpoints.waitSeconds (300): node n1 has reached maxPerNode (1); other Checkpoints start first",
  });
  expect(harness.status("no-pod")).toMatchObject({
    reason: "DeadlineExceeded",
    message: "not started within checkpoints.waitSeconds (300): pod later is not running yet: phase Pending",
  });
  expect(harness.status("running").reason).toBe("CheckpointInProgress");
});

test("a Checkpoint that waits for its pod does not block others", async () => {
  harness.pod("p1", { phase: "Pending" });
  harness.pod("p2");
  await create("older", "p1", 0);
  await create("younger", "p2", 1);
  harness.start({ maxPerNode: 1 });
  await seconds(5);
  expect(harness.status("younger").reason).toBe("CheckpointCompleted");
});

test("an unknown outcome reserves pod and slot until the engine's timeout, even after deletion", async () => {
  harness.pod("counter-0");
  harness.engine.work = failing("socket hang up", "unknown");
  harness.start({ maxPerNode: 1 });
  await harness.checkpoint("one");
  await seconds(1);
  harness.engine.work = new FakeEngine().work;
  await harness.checkpoint("two");
  await seconds(1);
  expect(harness.status("two")).toMatchObject({
    reason: "Pending",
    message: "pod team-a/counter-0 may still be in use by team-a/one",
  });
  harness.api.remove(`${CHECKPOINTS}/one`);
  await seconds(590);
  expect(harness.engine.requested).toHaveLength(1);
  await seconds(20);
  expect(harness.status("two").reason).toBe("CheckpointCompleted");
});
