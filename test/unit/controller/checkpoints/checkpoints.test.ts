import { CHECKPOINTS, failing, FakeEngine, seconds, unreachable, World } from "./support";

let world: World;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  world = new World();
});
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

test("a checkpoint: what is asked, and what the status says in the end", async () => {
  const { metadata } = world.pod("counter-0", { containers: ["a", "b"] });
  const replica = world.start();
  await seconds(1);
  await world.checkpoint("one", { location: "/var/c/1" });
  await seconds(0.5);
  expect(world.status("one")).toMatchObject({
    reason: "CheckpointInProgress",
    message: "cedana checkpoints container a",
    true: ["Progressing"],
  });
  await seconds(3);
  expect(world.engine.requests).toMatchObject([
    { namespace: "team-a", pod: "counter-0", container: "a", location: "/var/c/1-a", leaveRunning: true },
    { container: "b", location: "/var/c/1-b", podUID: metadata.uid, nodeName: "n1" },
  ]);
  const status = world.status("one");
  expect(status).toMatchObject({
    reason: "CheckpointCompleted",
    message: "checkpointed a, b",
    true: ["Ready"],
    observedGeneration: 1,
    engine: "cedana",
    podUID: metadata.uid,
    nodeName: "n1",
    owner: { apiVersion: "apps/v1", kind: "ReplicaSet", name: "counter-6c", uid: "rs-1" },
    podTemplateHash: "6c",
    containers: [
      { name: "a", image: "image-a", checkpointID: "id-a" },
      { name: "b", image: "image-b", checkpointID: "id-b" },
    ],
    durationMilliseconds: 2000,
  });
  expect(status).not.toHaveProperty("sizeBytes");
  expect(replica.events).toMatchObject([
    { type: "Normal", reason: "CheckpointCompleted", regarding: { name: "one" } },
  ]);
  const metrics = await replica.metrics.registry.metrics();
  expect(metrics).toContain('cedana_checkpoints_total{engine="cedana",result="completed"} 1');
  expect(metrics).toContain("cedana_checkpoints_in_flight 0");
  // One write ahead of each container, and the end.
  expect(world.writes.filter(({ method }) => method === "PATCH")).toHaveLength(3);
});

test("sizes are summed; one container has the location as it was given", async () => {
  world.pod("counter-0", { containers: ["a", "b"] });
  world.engine.work = async () => ({ checkpointID: "x", location: "/var/c", sizeBytes: 7 });
  world.start();
  await world.checkpoint("one", { containers: ["b"], location: "/var/c", leaveRunning: false });
  await world.checkpoint("two");
  await seconds(5);
  expect(world.engine.requests[0]).toMatchObject({ container: "b", location: "/var/c", leaveRunning: false });
  expect([world.status("one")["sizeBytes"], world.status("two")["sizeBytes"]]).toEqual([7, 14]);
});

test.each<[string, () => void, object, string, string | RegExp]>([
  ["no pod", () => {}, {}, "SourcePodNotFound", "there is no pod counter-0"],
  [
    "a pod that is gone",
    () => {},
    { podRef: { name: "counter-0", uid: "u" } },
    "SourcePodReplaced",
    /with UID u is gone/,
  ],
  [
    "another pod",
    () => world.pod("counter-0"),
    { podRef: { name: "counter-0", uid: "u" } },
    "SourcePodReplaced",
    /it was replaced/,
  ],
  [
    "a pod that has ended",
    () => world.pod("counter-0", { phase: "Succeeded" }),
    {},
    "SourcePodEnded",
    /its phase is Succeeded/,
  ],
  [
    "no such container",
    () => world.pod("counter-0"),
    { containers: ["a", "x", "y"] },
    "ContainerNotFound",
    "pod counter-0 has no container x, y; it has a",
  ],
  [
    "a location that is not allowed",
    () => world.pod("counter-0"),
    { location: "/variant/of/it" },
    "LocationNotAllowed",
    "location /variant/of/it is in no directory that engine.checkpoints.locations allows: /var",
  ],
  [
    "no such engine",
    () => world.pod("counter-0"),
    { engine: "kubelet" },
    "EngineNotFound",
    "there is no engine kubelet; there is cedana",
  ],
])("it fails, and no engine is asked: %s", async (_, prepare, spec, reason, message) => {
  prepare();
  const replica = world.start();
  await world.checkpoint("one", spec);
  await seconds(5);
  expect(world.status("one")).toMatchObject({
    reason,
    true: ["Failed"],
    message: expect.stringMatching(message),
  });
  expect(world.engine.asked).toEqual([]);
  expect(replica.events).toMatchObject([{ type: "Warning", reason }]);
});

test("a pod that does not run yet is waited for, and its UID kept from the first look", async () => {
  world.pod("counter-0", { phase: "Pending" });
  world.start();
  await world.checkpoint("one");
  await seconds(2);
  expect(world.status("one")).toMatchObject({
    reason: "Pending",
    true: [],
    message: "pod counter-0 is not running yet: its phase is Pending",
  });
  const { podUID } = world.status("one");
  world.pod("counter-0");
  await seconds(12);
  expect(world.status("one")).toMatchObject({ reason: "CheckpointCompleted", podUID });

  world.pod("other", { phase: "Pending" });
  await world.checkpoint("two", { podRef: { name: "other" } });
  await seconds(2);
  world.removePod("other");
  world.pod("other");
  await seconds(12);
  expect(world.status("two")).toMatchObject({ reason: "SourcePodReplaced", true: ["Failed"] });
});

test("a pod that is replaced between two containers is left alone", async () => {
  world.pod("counter-0", { containers: ["a", "b"] });
  world.start();
  await world.checkpoint("one");
  await seconds(0.5);
  world.removePod("counter-0");
  world.pod("counter-0", { containers: ["a", "b"] });
  await seconds(5);
  expect(world.engine.asked).toEqual(["counter-0/a"]);
  expect(world.status("one")).toMatchObject({
    reason: "SourcePodReplaced",
    message: expect.stringMatching(/^a done; pod counter-0 has UID/),
    containers: [{ checkpointID: "id-a" }, { name: "b" }],
  });
});

test.each([
  ["failed" as const, "CheckpointFailed", "failed"],
  ["refused" as const, "CheckpointFailed", "failed"],
  ["unknown" as const, "OutcomeUnknown", "unknown"],
])("what the engine says is kept as said: %s", async (outcome, reason, result) => {
  world.pod("counter-0", { containers: ["a", "b"] });
  world.engine.work = failing("criu failed: type NOTIFY errno 0", outcome);
  const replica = world.start();
  await world.checkpoint("one");
  await seconds(5);
  expect(world.status("one")).toMatchObject({
    reason,
    true: ["Failed"],
    message: "container a: criu failed: type NOTIFY errno 0",
  });
  expect(world.engine.asked).toEqual(["counter-0/a"]);
  expect(await replica.metrics.registry.metrics()).toContain(
    `cedana_checkpoints_total{engine="cedana",result="${result}"} 1`,
  );
});

test("an engine that cannot be reached is tried again, less and less often", async () => {
  world.pod("counter-0");
  const work = world.engine.work;
  world.engine.work = unreachable;
  world.start();
  await world.checkpoint("one");
  await seconds(1);
  expect(world.status("one")).toMatchObject({
    reason: "Pending",
    true: [],
    message: "engine cedana cannot be reached: connect ECONNREFUSED",
  });
  await seconds(40);
  // After 0, 5, 15 and 35 seconds.
  expect(world.engine.asked).toHaveLength(4);
  world.engine.work = work;
  await seconds(45);
  expect(world.engine.asked).toHaveLength(5);
  expect(world.status("one")).toMatchObject({ reason: "CheckpointCompleted" });
});

describe("turns", () => {
  const create = async (name: string, podName: string, age: number) => {
    jest.setSystemTime(Date.parse("2026-11-21T14:00:00Z") + age * 1000);
    await world.checkpoint(name, { podRef: { name: podName } });
  };

  test("one at a time for a pod, so many for a node, older ones first", async () => {
    for (const name of ["p1", "p2", "p3", "p4"]) world.pod(name);
    world.pod("elsewhere", { node: "n2" });
    await create("z-oldest", "p1", 0);
    await create("y", "p1", 1);
    await create("x", "p2", 2);
    await create("w", "p3", 3);
    await create("a-youngest", "p4", 4);
    await create("b", "elsewhere", 5);
    world.start({ maxPerNode: 2 });
    await seconds(0.5);
    expect(world.engine.asked.toSorted()).toEqual(["elsewhere/a", "p1/a", "p2/a"]);
    expect(world.status("y")).toMatchObject({
      reason: "Pending",
      message: "pod team-a/p1 is worked on for team-a/z-oldest",
    });
    expect(world.status("a-youngest").message).toBe(
      "node n1 has its most checkpoints at a time (2), older ones first",
    );
    await seconds(20);
    expect(world.engine.asked.slice(3)).toEqual(["p1/a", "p3/a", "p4/a"]);
    expect(world.engine.mostAtOnce).toBe(3);
    expect(["z-oldest", "y", "x", "w", "a-youngest", "b"].map((name) => world.status(name).reason)).toEqual(
      Array.from({ length: 6 }, () => "CheckpointCompleted"),
    );
  });

  test("one that waits for its pod does not keep the others", async () => {
    world.pod("p1", { phase: "Pending" });
    world.pod("p2");
    await create("older", "p1", 0);
    await create("younger", "p2", 1);
    world.start({ maxPerNode: 1 });
    await seconds(5);
    expect(world.status("younger").reason).toBe("CheckpointCompleted");
  });

  test("what may still be under way keeps pod and slot until the engine's time is over, deleted or not", async () => {
    world.pod("counter-0");
    world.engine.work = failing("socket hang up", "unknown");
    world.start({ maxPerNode: 1 });
    await world.checkpoint("one");
    await seconds(1);
    world.engine.work = new FakeEngine().work;
    await world.checkpoint("two");
    await seconds(1);
    expect(world.status("two")).toMatchObject({
      reason: "Pending",
      message: "pod team-a/counter-0 may still be worked on for team-a/one",
    });
    world.api.remove(`${CHECKPOINTS}/one`);
    await seconds(590);
    expect(world.engine.asked).toHaveLength(1);
    await seconds(20);
    expect(world.status("two").reason).toBe("CheckpointCompleted");
  });
});

describe("deletion", () => {
  test("while the engine works: nothing more is asked, nothing is made anew", async () => {
    world.pod("counter-0", { containers: ["a", "b"] });
    world.start();
    await world.checkpoint("one");
    await seconds(0.5);
    world.api.remove(`${CHECKPOINTS}/one`);
    await world.checkpoint("one", { containers: ["b"] });
    await seconds(0.1);
    expect(world.status("one").message).toBe("pod team-a/counter-0 is worked on for team-a/one");
    await seconds(5);
    expect(world.engine.asked).toEqual(["counter-0/a", "counter-0/b"]);
    expect(world.status("one")).toMatchObject({ reason: "CheckpointCompleted", containers: [{ name: "b" }] });
  });

  test("an engine that cannot delete: no finalizer, and it is said", async () => {
    world.pod("counter-0");
    const replica = world.start();
    await world.checkpoint("one", { deletionPolicy: "Delete" });
    await seconds(5);
    const note = "engine cedana cannot delete: the data stays when this object is deleted";
    expect(world.status("one").message).toBe(`checkpointed a; ${note}`);
    expect(replica.events).toMatchObject([
      { reason: "DeletionNotSupported", note },
      { reason: "CheckpointCompleted" },
    ]);
    await world.api.send("DELETE", `${CHECKPOINTS}/one`);
    expect(world.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
  });

  describe("an engine that can", () => {
    const FINALIZERS = ["automation.cedana.ai/checkpoint"];
    const finalizers = () => world.api.get(`${CHECKPOINTS}/one`)?.metadata.finalizers;
    beforeEach(() => {
      world.engine.canDelete = true;
      world.pod("counter-0", { containers: ["a", "b"] });
    });

    test("deletes the data first, also when the deletion comes while it works", async () => {
      world.start();
      await world.checkpoint("one", { deletionPolicy: "Delete" });
      await seconds(0.5);
      expect(finalizers()).toEqual(FINALIZERS);
      await world.api.send("DELETE", `${CHECKPOINTS}/one`);
      await seconds(10);
      expect(world.engine.deleted).toEqual(["id-a", "id-b"]);
      expect(world.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
    });

    test("the policy can change its mind", async () => {
      world.start();
      await world.checkpoint("one", { deletionPolicy: "Delete" });
      await seconds(5);
      world.edit(`${CHECKPOINTS}/one`, (object) =>
        Object.assign(object["spec"] as object, { deletionPolicy: "Retain" }),
      );
      await seconds(1);
      expect(finalizers() ?? []).toEqual([]);
      world.edit(`${CHECKPOINTS}/one`, (object) =>
        Object.assign(object["spec"] as object, { deletionPolicy: "Delete" }),
      );
      await seconds(1);
      expect(finalizers()).toEqual(FINALIZERS);
    });

    test("an engine that does not delete holds the object for ten minutes and no longer", async () => {
      const replica = world.start();
      await world.checkpoint("one", { deletionPolicy: "Delete" });
      await seconds(5);
      world.engine.work = failing("busy");
      await world.api.send("DELETE", `${CHECKPOINTS}/one`);
      await seconds(500);
      expect(finalizers()).toEqual(FINALIZERS);
      await seconds(200);
      expect(world.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
      expect(replica.events.at(-1)).toMatchObject({
        type: "Warning",
        reason: "DataLeftBehind",
        note: "the data is not deleted: busy",
      });
    });
  });
});

test("only in the namespaces that are named, each with a store of its own", async () => {
  world.pod("counter-0");
  world.start({ namespaces: ["team-b", "team-c"] });
  await world.checkpoint("one");
  await seconds(5);
  expect(world.status("one").reason).toBeUndefined();
  world.start({ namespaces: ["team-b", "team-a"] });
  await seconds(5);
  expect(world.status("one").reason).toBe("CheckpointCompleted");
});

describe("the process stops", () => {
  test("answers that come in time are written", async () => {
    world.pod("counter-0");
    const replica = world.start();
    await world.checkpoint("one");
    await seconds(0.5);
    replica.stop();
    await seconds(2);
    await replica.led;
    expect(world.status("one").reason).toBe("CheckpointCompleted");
  });

  test("one that does not come in time is given up, and that is written", async () => {
    world.pod("counter-0");
    world.engine.work = () => new Promise(() => {});
    const replica = world.start();
    await world.checkpoint("one");
    await seconds(0.5);
    replica.stop();
    await seconds(9);
    await replica.led;
    expect(world.status("one")).toMatchObject({
      reason: "OutcomeUnknown",
      message: "container a: the request was given up",
    });
  });
});
