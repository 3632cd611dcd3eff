import { ApiError } from "../../../../kube/client";
import { CEDANAS, CHECKPOINTS, failing, seconds, unreachable, Harness } from "./support";

const NAMES = { containerName: "a", sandboxName: "counter-0" };

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness();
  harness.pod("counter-0");
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

const set = (method: string, more: object = {}) =>
  harness.edit(`${CEDANAS}/one`, (object) => Object.assign(object["spec"] as object, { method, ...more }));
const children = async () => {
  const list = (await harness.api.send("GET", CHECKPOINTS)) as { items: { metadata: { name: string } }[] };
  return list.items.map(({ metadata }) => metadata.name);
};

test("creates a Checkpoint, and another one when the method is set again", async () => {
  const replica = harness.start();
  await harness.cedana("one", { ...NAMES, method: "Checkpoint" });
  await seconds(0.5);
  const [child = ""] = await children();
  expect(harness.cedanaOf("one")).toMatchObject({
    spec: { ...NAMES, method: "Pending" },
    metadata: { annotations: { "automation.cedana.ai/operation": `checkpoint/${child}` } },
    status: { checkpointDone: false, conditions: [{ reason: "CheckpointInProgress" }] },
  });
  expect(harness.api.get(`${CHECKPOINTS}/${child}`)).toMatchObject({
    metadata: { ownerReferences: [{ apiVersion: "core.cedana.ai/v1", kind: "Cedana", name: "one" }] },
    spec: { podRef: { name: "counter-0" }, containers: ["a"] },
  });
  await seconds(2);
  expect(harness.cedanaOf("one")).toMatchObject({
    spec: { method: "Done" },
    status: {
      checkpointDone: true,
      lastCheckpointedTime: harness.status(child)["completionTime"],
      conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted" }],
    },
  });
  expect(replica.events).toMatchObject([
    { regarding: { kind: "Checkpoint" } },
    { regarding: { kind: "Cedana", name: "one" }, type: "Normal", reason: "CheckpointCompleted" },
  ]);
  set("Checkpoint");
  await seconds(5);
  expect(harness.engine.requested).toHaveLength(2);
  expect(await children()).toHaveLength(2);
  expect(harness.cedanaOf("one").spec.method).toBe("Done");
});

test("reports a failure in status, condition and event with the engine's message", async () => {
  harness.engine.work = failing("criu failed: type NOTIFY errno 0");
  const replica = harness.start();
  await harness.cedana("one", { ...NAMES, method: "Checkpoint" });
  await seconds(5);
  expect(harness.cedanaOf("one")).toMatchObject({
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
  harness.api.before = ({ method, path }) => {
    if (method === "POST" && path === CHECKPOINTS) throw new ApiError(422, "spec.podRef.name: Invalid value");
  };
  harness.start();
  await harness.cedana("one", { ...NAMES, sandboxName: "UPPER", method: "Checkpoint" });
  await seconds(5);
  expect(harness.cedanaOf("one")).toMatchObject({
    spec: { method: "Failed" },
    status: { conditions: [{ reason: "CheckpointRejected", message: "spec.podRef.name: Invalid value" }] },
  });
});

describe("restore", () => {
  const checkpointed = async () => {
    harness.start();
    await harness.checkpoint("older", { location: "/var/c" });
    await seconds(5);
    await harness.checkpoint("newer");
    await seconds(5);
    await harness.checkpoint("failed");
    harness.engine.work = failing("no");
    await seconds(5);
    harness.engine.work = async () => ({});
  };

  test("restores from the last completed Checkpoint of the container", async () => {
    await checkpointed();
    await harness.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(harness.engine.restores).toMatchObject([
      { namespace: "team-a", pod: "counter-0", container: "a", checkpointID: "id-a" },
    ]);
    expect(harness.engine.restores[0]?.location).toBeUndefined();
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Done" },
      status: {
        restoreDone: true,
        conditions: [{ reason: "RestoreCompleted", message: "restored container a from Checkpoint newer" }],
      },
    });
  });

  test("reports a failure with the engine's message, and restores when the method is set again", async () => {
    await checkpointed();
    harness.engine.work = unreachable;
    await harness.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: {
        restoreDone: false,
        conditions: [
          { reason: "RestoreFailed", message: "restore of Checkpoint newer: connect ECONNREFUSED" },
        ],
      },
    });
    harness.engine.work = async () => ({});
    set("Restore");
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Done" },
      status: { restoreDone: true },
    });
  });

  test("fails without a Checkpoint or a pod, and waits for a pod that is not running yet", async () => {
    harness.start();
    await harness.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "NoCheckpoint" }] },
    });
    await harness.checkpoint("good");
    await seconds(5);
    harness.removePod("counter-0");
    set("Restore");
    await seconds(5);
    expect(harness.cedanaOf("one").status?.conditions).toMatchObject([{ reason: "SourcePodNotFound" }]);
    harness.pod("counter-0", { phase: "Pending" });
    set("Restore");
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Restore" },
      status: { conditions: [{ reason: "Pending" }] },
    });
    harness.pod("counter-0");
    await seconds(10);
    expect(harness.cedanaOf("one").spec.method).toBe("Done");
  });

  test("fails if the engine does not restore into running pods", async () => {
    harness.engine.canRestore = false;
    await checkpointed();
    await harness.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(5);
    const message = "engine cedana of Checkpoint newer cannot restore into a running pod";
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "EngineNotFound", message }] },
    });
  });

  test("waits for a checkpoint in flight of the same pod", async () => {
    await checkpointed();
    let end: (result: object) => void = () => {};
    harness.engine.work = () => new Promise((resolve) => (end = resolve));
    await harness.checkpoint("busy");
    await seconds(1);
    await harness.cedana("one", { ...NAMES, method: "Restore" });
    await seconds(10);
    expect(harness.engine.restores).toEqual([]);
    expect(harness.cedanaOf("one").status?.conditions).toMatchObject([
      { message: "pod team-a/counter-0 is in use by team-a/busy" },
    ]);
    harness.engine.work = async () => ({});
    end({});
    await seconds(10);
    expect(harness.cedanaOf("one").spec.method).toBe("Done");
    expect(harness.engine.maxConcurrent).toBe(1);
  });
});

describe("a method that a user sets meanwhile is not overwritten", () => {
  test("while a checkpoint is in flight", async () => {
    harness.start();
    await harness.cedana("one", { ...NAMES, method: "Checkpoint" });
    await seconds(0.5);
    set("Checkpoint");
    await seconds(10);
    expect(harness.engine.requested).toHaveLength(2);
    expect(harness.cedanaOf("one").spec.method).toBe("Done");
  });

  test.each([1, 2, 3, 4, 5, 6])("before write %i", async (number) => {
    harness.pod("counter-1");
    harness.start();
    await harness.cedana("one", { ...NAMES, method: "Checkpoint" });
    let writes = 0;
    let changed = false;
    harness.api.before = ({ method, path }) => {
      if (method === "GET" || method === "WATCH" || !path.includes("/cedanas/one")) return;
      if (++writes !== number || changed) return;
      changed = true;
      set("Checkpoint", { sandboxName: "counter-1" });
    };
    await seconds(10);
    if (!changed) set("Checkpoint", { sandboxName: "counter-1" });
    await seconds(10);
    expect(harness.engine.requested.at(-1)).toBe("counter-1/a");
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Done", sandboxName: "counter-1" },
      status: { checkpointDone: true },
    });
  });
});

describe("a Cedana that is Pending", () => {
  test("fails with NoOperation if no operation is in flight", async () => {
    await harness.cedana("one", { method: "Pending" });
    harness.start();
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { conditions: [{ reason: "NoOperation" }] },
    });
  });

  test("fails if its Checkpoint was deleted", async () => {
    harness.engine.work = () => new Promise(() => {});
    harness.start();
    await harness.cedana("one", { ...NAMES, method: "Checkpoint" });
    await seconds(1);
    for (const name of await children()) harness.api.remove(`${CHECKPOINTS}/${name}`);
    await seconds(5);
    expect(harness.cedanaOf("one")).toMatchObject({
      spec: { method: "Failed" },
      status: { checkpointDone: false, conditions: [{ reason: "CheckpointDeleted" }] },
    });
  });
});

test.each(["Done", "Failed", undefined])("ignores the method %s", async (method) => {
  await harness.cedana("one", { ...NAMES, method });
  harness.start();
  const before = harness.writes.length;
  await seconds(5);
  expect(harness.writes).toHaveLength(before);
});
