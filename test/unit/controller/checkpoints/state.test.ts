/** The conditions of each phase, those for tools included. */
import type { CheckpointStatus } from "../../../../api";
import { phaseOf, withPhase, type Phase } from "../../../../controller/checkpoints/state";
import type { CheckpointObject } from "../../../../controller/checkpoints/objects";

const at = (status: CheckpointStatus): CheckpointObject => ({
  metadata: {
    name: "one",
    namespace: "team-a",
    uid: "u",
    resourceVersion: "1",
    generation: 3,
    creationTimestamp: "2026-11-27T15:00:00Z",
  },
  spec: { podRef: { name: "web" } },
  status,
});
const holding = ({ conditions = [] }: CheckpointStatus) =>
  conditions.filter(({ status }) => status === "True").map(({ type }) => type);

test.each<[Phase, readonly string[]]>([
  ["pending", ["Reconciling"]],
  ["requested", ["Progressing", "Reconciling"]],
  ["completed", ["Ready"]],
  ["failed", ["Failed", "Stalled"]],
])("a Checkpoint that is %s has the conditions %j", (phase, expected) => {
  const status = withPhase(at({}), {}, phase, "CheckpointFailed", "words", 0);
  expect(holding(status)).toEqual(expected);
  expect(status.observedGeneration).toBe(3);
  for (const one of status.conditions ?? [])
    expect(one).toMatchObject({ message: "words", observedGeneration: 3 });
  expect(phaseOf(status)).toBe(phase);
});

test("a condition for tools keeps its time as long as it holds, and is removed at the end", () => {
  const pending = withPhase(at({}), {}, "pending", "Pending", "waits", 0);
  const requested = withPhase(at(pending), {}, "requested", "CheckpointInProgress", "works", 5000);
  const time = (status: CheckpointStatus) =>
    status.conditions?.find(({ type }) => type === "Reconciling")?.lastTransitionTime;
  expect(time(requested)).toBe(time(pending));
  const completed = withPhase(at(requested), {}, "completed", "CheckpointCompleted", "done", 9000);
  expect(holding(completed)).toEqual(["Ready"]);
});
