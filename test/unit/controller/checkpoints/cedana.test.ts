import { ApiError } from "../../../../kube/client";
import { CEDANAS, CHECKPOINTS, failing, seconds, unreachable, World } from "./support";

const NAMES = { containerName: "a", sandboxName: "counter-0" };

let world: World;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  world = new World();
  world.pod("counter-0");
});
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

const set = (method: string, more: object = {}) =>
  world.edit(`${CEDANAS}/one`, (object) => Object.assign(object["spec"] as object, { method, ...more }));
const children = async () => {
  const list = (await world.api.send("GET", CHECKPOINTS)) as { items: { metadata: { name: string } }[] };
  return list.items.map(({ metadata }) => metadata.name);
};

test("a checkpoint, and another one when the method is set again", async () => {
  const replica = world.start();
  await world.cedana("one", { ...NAMES, method: "Checkpoint" });
  await seconds(0.5);
  const [child = ""] = await children();
  expect(world.cedanaOf("one")).toMatchObject({
    spec: { ...NAMES, method: "Pending" },
    metadata: { annotations: { "automation.cedana.ai/operation": `checkpoint/${child}` } },
    status: { checkpointDone: false, conditions: [{ reason: "CheckpointInProgress" }] },
  });
  expect(world.api.get(`${CHECKPOINTS}/${child}`)).toMatchObject({
    metadata: { ownerReferences: [{ apiVersion: "core.cedana.ai/v1", kind: "Cedana", name: "one" }] },
    spec: { podRef: { name: "counter-0" }, containers: ["a"] },
  });
  await seconds(2);
  expect(world.cedanaOf("one")).toMatchObject({
    spec: { method: "Done" },
    status: {
      checkpointDone: true,
      lastCheckpointedTime: world.status(child)["completionTime"],
      conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted" }],
    },
  });
  expect(replica.events).toMatchObject([
    { regarding: { kind: "Checkpoint" } },
    { regarding: { kind: "Cedana", name: "one" }, type: "Normal", reason: "CheckpointCompleted" },
  ]);
  set("Checkpoint");
  await seconds(5);
  expect(world.engine.asked).toHaveLength(2);
  expect(await children()).toHaveLength(2);
  expect(world.cedanaOf("one").spec.method).toBe("Done");
});

test("a failure is said in status, condition and event, in the engine's words", async () => {
  world.engine.work = failing("criu failed: type NOTIFY errno 0");
  const replica = world.start();
  await world.cedana("one", { ...NAMES, method: "Checkpoint" });
  await seconds(5);
  expect(world.cedanaOf("one")).toMatchObject({
    spec: { method: "Failed" },
    status: {
      checkpointDone: false,
      conditions: [
        {
          status: "False",
          reason: "CheckpointFailed",
          message: expect.stringMatching(/container a: criu failed: type NOTIFY errno 0$/),
        },
      ],
    },
  });
  expect(replica.events.at(-1)).toMatchObject({ type: "Warning", reason: "CheckpointFailed" });
});

test("names that no pod has: the API server's words", async () => {
  world.api.before = ({ method, path }) => {
    if (method === "POST" && path === CHECKPOINTS) throw new ApiError(422, "spec.podRef.name: Invalid value");
  };
  world.start();
  await world.cedana("one", { ...NAMES, sandboxName: "UPPER", method: "Checkpoint" });
  await seconds(5);
  expect(world.cedanaOf("one")).toMatchObject({
    spec: { method: "Failed" },
    status: { conditions: [{ reason: "CheckpointRefused", message: "spec.podRef.name: Invalid value" }] },
  });
});

describe("restore", () => {
  const checkpointed = async () => {
    world.start();
    await world.checkpoint("older", { location: "/var/c" });
    await seconds(5);
    await world.checkpoint("newer");
    await seconds(5);
    await world.checkpoint("failed");
    world.engine.work = failing("no");
    await seconds(5);
    world.engine.work = async () => ({});
  };

  test("from the last good Checkpoint of the container", async () => {
    await checkpointed();
    await world.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(world.engine.restores).toMatchObject([
      { namespace: "team-a", pod: "counter-0", container: "a", checkpointID: "id-a" },
    ]);
    expect(world.engine.restores[0]?.location).toBeUndefined();
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Done" },
      status: {
        restoreDone: true,
        conditions: [{ reason: "RestoreCompleted", message: "restored container a from Checkpoint newer" }],
      },
    });
  });

  test("a failure, in the engine's words; then again", async () => {
    await checkpointed();
    world.engine.work = unreachable;
    await world.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: {
        restoreDone: false,
        conditions: [
          { reason: "RestoreFailed", message: "restore of Checkpoint newer: connect ECONNREFUSED" },
        ],
      },
    });
    world.engine.work = async () => ({});
    set("Restore");
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({ spec: { method: "Done" }, status: { restoreDone: true } });
  });

  test("nothing to restore from, no pod, a pod that does not run yet", async () => {
    world.start();
    await world.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "NoCheckpoint" }] },
    });
    await world.checkpoint("good");
    await seconds(5);
    world.removePod("counter-0");
    set("Restore");
    await seconds(5);
    expect(world.cedanaOf("one").status?.conditions).toMatchObject([{ reason: "SourcePodNotFound" }]);
    world.pod("counter-0", { phase: "Pending" });
    set("Restore");
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Restore" },
      status: { conditions: [{ reason: "Pending" }] },
    });
    world.pod("counter-0");
    await seconds(10);
    expect(world.cedanaOf("one").spec.method).toBe("Done");
  });

  test("waits for a checkpoint of its pod", async () => {
    await checkpointed();
    let end: (result: object) => void = () => {};
    world.engine.work = () => new Promise((resolve) => (end = resolve));
    await world.checkpoint("busy");
    await seconds(1);
    await world.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(10);
    expect(world.engine.restores).toEqual([]);
    expect(world.cedanaOf("one").status?.conditions).toMatchObject([
      { message: "pod team-a/counter-0 is in use by team-a/busy" },
    ]);
    world.engine.work = async () => ({});
    end({});
    await seconds(10);
    expect(world.cedanaOf("one").spec.method).toBe("Done");
    expect(world.engine.mostAtOnce).toBe(1);
  });
});

describe("a wish that came since is never written over", () => {
  test("while a checkpoint is under way", async () => {
    world.start();
    await world.cedana("one", { ...NAMES, method: "Checkpoint" });
    await seconds(0.5);
    set("Checkpoint");
    await seconds(10);
    expect(world.engine.asked).toHaveLength(2);
    expect(world.cedanaOf("one").spec.method).toBe("Done");
  });

  test.each([1, 2, 3, 4, 5, 6])("between a look and write %i", async (number) => {
    world.pod("counter-1");
    world.start();
    await world.cedana("one", { ...NAMES, method: "Checkpoint" });
    let writes = 0;
    let changed = false;
    world.api.before = ({ method, path }) => {
      if (method === "GET" || method === "WATCH" || !path.includes("/cedanas/one")) return;
      if (++writes !== number || changed) return;
      changed = true;
      set("Checkpoint", { sandboxName: "counter-1" });
    };
    await seconds(10);
    if (!changed) set("Checkpoint", { sandboxName: "counter-1" });
    await seconds(10);
    expect(world.engine.asked.at(-1)).toBe("counter-1/a");
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Done", sandboxName: "counter-1" },
      status: { checkpointDone: true },
    });
  });
});

describe("found Pending", () => {
  test("with nothing under way: it is said", async () => {
    await world.cedana("one", { method: "Pending" });
    world.start();
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "NothingUnderWay" }] },
    });
  });

  test("with a Checkpoint that was deleted", async () => {
    world.engine.work = () => new Promise(() => {});
    world.start();
    await world.cedana("one", { ...NAMES, method: "Checkpoint" });
    await seconds(1);
    for (const name of await children()) world.api.remove(`${CHECKPOINTS}/${name}`);
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { checkpointDone: false, conditions: [{ reason: "CheckpointDeleted" }] },
    });
  });
});

test.each(["Done", "Failed", undefined])("method %s: left alone", async (method) => {
  await world.cedana("one", { ...NAMES, method });
  world.start();
  const before = world.writes.length;
  await seconds(5);
  expect(world.writes).toHaveLength(before);
});
