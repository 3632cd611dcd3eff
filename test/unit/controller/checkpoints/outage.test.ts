/** What a Checkpoint reports while its node waits, or cannot push: the message of the node, for a day. */
import type { NodeCheckpointStatus } from "../../../../api";
import { condition, Harness } from "./agents";
import { CHECKPOINTS, seconds } from "./support";

/** The timeout of the agent, and the time beyond it. */
const LATE_SECONDS = 300 + 120 + 30;
const PUSHING = {
  conditions: [condition("Progressing", "Pushing", "not pushed: 503; the node keeps the only copy")],
} as unknown as NodeCheckpointStatus;

let harness: Harness;
const uid = () => harness.api.get(`${CHECKPOINTS}/one`)?.metadata.uid ?? "";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T15:00:00Z") });
  harness = new Harness(["a", "b"]);
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("waits a day for a push if the containers keep running, then fails with the last message", async () => {
  harness.agent(PUSHING);
  await harness.checkpoint();
  harness.start();
  await seconds(LATE_SECONDS + 80_000);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  expect(await harness.nodeCheckpoints()).toHaveLength(1);
  await seconds(6500);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("repeats what the node reports about a request that waits, or whose push fails", async () => {
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  const report = async (type: string, reason: string, message: string, more: object = {}) => {
    const holds = condition(type, reason, message);
    const status = type === "Ready" ? "False" : "True";
    harness.edit(uid(), { conditions: [{ ...holds, status }], ...more } as never);
    await seconds(1);
    return harness.outcome();
  };
  const waits = "the node has reached maxConcurrent (2)";
  expect(await report("Ready", "Pending", waits)).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message: waits,
  });
  const writes = () => harness.api.writes.filter(({ path }) => path.endsWith("/one/status")).length;
  const before = writes();
  await report("Progressing", "CheckpointInProgress", "requesting the checkpoint");
  await report("Progressing", "Pushing", "to the registry");
  expect(writes()).toBe(before);
  const failed = "to the registry, retrying after: 503 down";
  expect(await report("Progressing", "Pushing", failed, { pushFailures: 1 })).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message: failed,
  });
  await seconds(60);
  expect(writes()).toBe(before + 1);
  await report("Progressing", "Pushing", `${failed} again`, { pushFailures: 2 });
  expect(writes()).toBe(before + 2);
});
