/** The record of a Checkpoint: an object from a backup, which has no status, gets the saved one and no checkpoint is taken. */
import { ApiError } from "../../../../kube/client";
import type { CheckpointStatus } from "../../../../api";
import type { Stored } from "../../../../testbed/fake-api";
import { CHECKPOINTS, failing, Harness, seconds } from "./support";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T15:00:00Z") });
  harness = new Harness();
  harness.pod("counter-0");
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

type WithRecord = Stored & {
  record?: { checkpointUID: string; result?: CheckpointStatus };
  status?: CheckpointStatus;
};
const read = (name: string) => harness.api.get(`${CHECKPOINTS}/${name}`) as WithRecord;

/** Creates an object as a backup tool does: with all fields but the status, and a new UID. */
async function bringBack({ status: _status, ...object }: WithRecord, name: string): Promise<void> {
  const content = { ...object, metadata: { name, namespace: "team-a" } };
  await harness.api.send("POST", CHECKPOINTS, { type: "application/json", content });
}

test("records the result outside the status, and an object from a backup gets it back", async () => {
  harness.start();
  await harness.checkpoint("one");
  await seconds(2);
  const taken = read("one");
  const { conditions: _conditions, observedGeneration: _generation, ...result } = taken.status ?? {};
  expect(result.containers).toMatchObject([{ name: "a", checkpointID: "id-a" }]);
  expect(taken.record).toEqual({ checkpointUID: taken.metadata.uid, result });

  harness.api.remove(`${CHECKPOINTS}/one`);
  await bringBack(taken, "one");
  await seconds(5);
  const back = read("one");
  expect(back.metadata.uid).not.toBe(taken.metadata.uid);
  expect(back.record).toEqual(taken.record);
  expect(harness.status("one")).toMatchObject({
    ...result,
    true: ["Ready"],
    reason: "CheckpointCompleted",
    message: `from a backup of Checkpoint ${taken.metadata.uid}`,
    observedGeneration: back.metadata.generation,
  });
  expect(harness.engine.requested).toEqual(["counter-0/a"]);
});

test("an object from a backup needs neither its pod nor its engine", async () => {
  harness.start();
  await harness.checkpoint("one");
  await seconds(2);
  harness.removePod("counter-0");
  await bringBack(read("one"), "two");
  await seconds(2);
  expect(harness.status("two")).toMatchObject({ true: ["Ready"], engine: "cedana" });
});

test.each<[string, () => Promise<void>]>([
  [
    "it failed in the engine",
    async () => {
      harness.engine.work = failing("no space");
      await harness.checkpoint("one");
      await seconds(2);
    },
  ],
  [
    "it was in progress",
    async () => {
      harness.engine.work = () => new Promise(() => {});
      await harness.checkpoint("one");
      await seconds(2);
    },
  ],
  [
    "its pod did not exist",
    async () => {
      await harness.checkpoint("one", { podRef: { name: "other" } });
      await seconds(2);
      harness.pod("other");
    },
  ],
])("takes no checkpoint for an object from a backup of a Checkpoint without result: %s", async (_, take) => {
  harness.start();
  await take();
  const requested = [...harness.engine.requested];
  await bringBack(read("one"), "two");
  await seconds(30);
  expect(harness.status("two")).toMatchObject({ true: ["Failed"], reason: "CheckpointLost" });
  expect(harness.status("two").message).toContain(`backup of Checkpoint ${read("one").metadata.uid}`);
  expect(harness.engine.requested).toEqual(requested);
});

test("a Checkpoint that waits has no record: its copy from a backup is taken", async () => {
  harness.pod("later", { phase: "Pending" });
  harness.start();
  await harness.checkpoint("one", { podRef: { name: "later" } });
  await seconds(2);
  expect(read("one")).not.toHaveProperty("record");
});

test("records what an earlier version has taken, once, and the status stays current", async () => {
  harness.start();
  await harness.checkpoint("one");
  await seconds(2);
  harness.edit(`${CHECKPOINTS}/one`, (object) => delete object["record"]);
  const { status } = read("one");
  await seconds(2);
  const { metadata, record, status: after } = read("one");
  expect(record).toMatchObject({ checkpointUID: metadata.uid, result: { containers: status?.containers } });
  expect(after).toEqual({ ...status, observedGeneration: metadata.generation });
  const writes = harness.writes.length;
  harness.start();
  await seconds(30);
  expect(harness.writes.slice(writes).filter(({ path }) => path.includes("/checkpoints/"))).toEqual([]);
});

test("records what an earlier version has taken one at a time, newest first, a fifth of the time, and delays no new Checkpoint", async () => {
  const conditions = [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "done" }];
  for (let index = 0; index < 200; index++)
    harness.api.put(CHECKPOINTS, {
      metadata: {
        name: `old-${index}`,
        namespace: "team-a",
        creationTimestamp: new Date(Date.parse("2026-11-01T00:00:00Z") + index * 1000).toISOString(),
      },
      spec: { podRef: { name: "counter-0" } },
      status: { conditions },
    } as never);
  let [writing, most] = [0, 0];
  harness.api.before = async ({ method, path }) => {
    if (method !== "PATCH" || !path.includes("/old-")) return;
    most = Math.max(most, ++writing);
    await new Promise((resolve) => setTimeout(resolve, 500));
    writing--;
  };
  harness.start();
  await harness.checkpoint("new");
  await seconds(3);
  expect(harness.status("new")).toMatchObject({ true: ["Ready"] });
  await seconds(47);
  // Two writes take a second.
  const recorded = Array.from({ length: 200 }, (_, index) => `old-${index}`).filter(
    (name) => read(name).record,
  );
  expect(recorded).toEqual(Array.from({ length: 10 }, (_, index) => `old-${190 + index}`));
  expect(most).toBe(1);
});

test("takes a checkpoint also if the record is rejected, and logs it", async () => {
  harness.api.before = ({ method, path }) => {
    if (method === "PATCH" && path.endsWith("/one")) throw new ApiError(403, "may not patch checkpoints");
  };
  const replica = harness.start();
  await harness.checkpoint("one");
  await seconds(2);
  expect(harness.status("one")).toMatchObject({ true: ["Ready"] });
  expect(replica.lines).toContainEqual(
    expect.objectContaining({ msg: "record not written: a backup loses the checkpoint", checkpoint: "one" }),
  );
});

test("ends without a write if the Checkpoint is replaced before its record is written", async () => {
  harness.api.before = ({ method, path }) => {
    if (method !== "PATCH" || !path.endsWith("/one")) return;
    harness.api.before = undefined;
    const old = read("one");
    harness.api.remove(`${CHECKPOINTS}/one`);
    const { uid: _uid, resourceVersion: _version, ...metadata } = old.metadata;
    harness.api.put(CHECKPOINTS, { ...old, metadata: { ...metadata, name: "one" } });
  };
  harness.start();
  await harness.checkpoint("one");
  await seconds(10);
  const { metadata, record } = read("one");
  expect(record?.checkpointUID).toBe(metadata.uid);
  expect(harness.status("one")).toMatchObject({ true: ["Ready"] });
  expect(harness.engine.requested).toEqual(["counter-0/a"]);
});

test.each([
  ["before the request", {}],
  ["before the end, without its pod", { podRef: { name: "other" } }],
])("keeps a status that another writer has set before the record is written: %s", async (_, spec) => {
  const conditions = [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "done" }];
  harness.api.before = ({ method, path }) => {
    if (method !== "PATCH" || !path.endsWith("/one")) return;
    harness.api.before = undefined;
    harness.edit(`${CHECKPOINTS}/one`, (object) => {
      object["status"] = { conditions };
    });
  };
  harness.start();
  await harness.checkpoint("one", spec);
  await seconds(10);
  expect(harness.status("one")).toMatchObject({ true: ["Ready"], message: "done" });
  expect(harness.engine.requested).toEqual([]);
});
