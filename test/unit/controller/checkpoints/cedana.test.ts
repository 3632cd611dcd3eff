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

test("creates a Checkpoint, and another one when the method is set again", async () => {
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
  expect(world.engine.requested).toHaveLength(2);
  expect(await children()).toHaveLength(2);
  expect(world.cedanaOf("one").spec.method).toBe("Done");
});

test("reports a failure in status, condition and event with the engine's message", async () => {
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

test("reports the API server's message if it rejects the Checkpoint", async () => {
  world.api.before = ({ method, path }) => {
    if (method === "POST" && path === CHECKPOINTS) throw new ApiError(422, "spec.podRef.name: Invalid value");
  };
  world.start();
  await world.cedana("one", { ...NAMES, sandboxName: "UPPER", method: "Checkpoint" });
  await seconds(5);
  expect(world.cedanaOf("one")).toMatchObject({
    spec: { method: "Failed" },
    status: { conditions: [{ reason: "CheckpointRejected", message: "spec.podRef.name: Invalid value" }] },
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

  test("restores from the last completed Checkpoint of the container", async () => {
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

  test("reports a failure with the engine's message, and restores when the method is set again", async () => {
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

  test("fails without a Checkpoint or a pod, and waits for a pod that is not running yet", async () => {
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

  test("fails if the engine does not restore into running pods", async () => {
    world.engine.canRestore = false;
    await checkpointed();
    await world.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    const message = "engine cedana of Checkpoint newer cannot restore into a running pod";
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "EngineNotFound", message }] },
    });
  });

  test("waits for a checkpoint in flight of the same pod", async () => {
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
    expect(world.engine.maxConcurrent).toBe(1);
  });
});

describe("a method that a user sets meanwhile is not overwritten", () => {
  test("while a checkpoint is in flight", async () => {
    world.start();
    await world.cedana("one", { ...NAMES, method: "Checkpoint" });
    await seconds(0.5);
    set("Checkpoint");
    await seconds(10);
    expect(world.engine.requested).toHaveLength(2);
    expect(world.cedanaOf("one").spec.method).toBe("Done");
  });

  test.each([1, 2, 3, 4, 5, 6])("before write %i", async (number) => {
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
    expect(world.engine.requested.at(-1)).toBe("counter-1/a");
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Done", sandboxName: "counter-1" },
      status: { checkpointDone: true },
    });
  });
});

describe("a Cedana that is Pending", () => {
  test("fails with NoOperation if no operation is in flight", async () => {
    await world.cedana("one", { method: "Pending" });
    world.start();
    await seconds(5);
    expect(world.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "NoOperation" }] },
    });
  });

  test("fails if its Checkpoint was deleted", async () => {
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

test.each(["Done", "Failed", undefined])("ignores the method %s", async (method) => {
  await world.cedana("one", { ...NAMES, method });
  world.start();
  const before = world.writes.length;
  await seconds(5);
  expect(world.writes).toHaveLength(before);
});
