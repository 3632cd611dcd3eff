/** Metrics of the pushes that agents report. */
import type { NodeCheckpointStatus } from "../../../../api";
import { condition, Harness } from "./agents";
import { CHECKPOINTS, seconds } from "./support";

const DONE = {
  conditions: [condition("Ready", "CheckpointCompleted", "done")],
  image: `registry.example.com/checkpoints@sha256:${"a".repeat(64)}`,
  digest: `sha256:${"a".repeat(64)}`,
} as unknown as NodeCheckpointStatus;

let harness: Harness;
const uid = () => harness.api.get(`${CHECKPOINTS}/one`)?.metadata.uid ?? "";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness(["a"]);
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("counts failed pushes of agents, and the checkpoints whose push is retried", async () => {
  const pushing = (pushFailures?: number) =>
    ({
      conditions: [condition("Progressing", "Pushing", "to registry")],
      ...(pushFailures !== undefined && { pushFailures }),
    }) as NodeCheckpointStatus;
  harness.agent(pushing());
  await harness.checkpoint();
  const replica = harness.start();
  const pushes = async () => {
    const text = await replica.metrics.registry.metrics();
    return ["push_failures_total", "pushes_retrying"].map((name) =>
      Number(new RegExp(`^cedana_${name} (\\d+)$`, "m").exec(text)?.[1]),
    );
  };
  expect(await pushes()).toEqual([0, 0]);
  await seconds(3);
  expect(await pushes()).toEqual([0, 0]);
  const observed = [1, 3, 3].map((count) => pushing(count));
  // The agent restarts: it counts from 0.
  for (const status of [...observed, pushing(), pushing(2)]) {
    harness.edit(uid(), status);
    await seconds(1);
  }
  expect(await pushes()).toEqual([5, 1]);
  harness.edit(uid(), { ...DONE, pushFailures: 2 });
  await seconds(2);
  expect(await harness.nodeCheckpoints()).toEqual([]);
  expect(await pushes()).toEqual([5, 0]);
});
