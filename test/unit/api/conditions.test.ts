import { conditionsOf } from "../../../api";

const at = (now: string, holds: "Ready" | "Progressing", before: ReturnType<typeof conditionsOf>) =>
  conditionsOf({ holds, reason: "Reason", message: "text", observedGeneration: 1, before, now });

test("exactly one condition holds; one whose status does not change keeps its transition time", () => {
  const first = at("2026-01-01T00:00:00Z", "Progressing", []);
  expect(first.map(({ type, status }) => [type, status])).toEqual([
    ["Ready", "False"],
    ["Progressing", "True"],
    ["Failed", "False"],
  ]);
  const second = at("2026-01-02T00:00:00Z", "Ready", first);
  expect(second.map(({ status, lastTransitionTime }) => [status, lastTransitionTime])).toEqual([
    ["True", "2026-01-02T00:00:00Z"],
    ["False", "2026-01-02T00:00:00Z"],
    ["False", "2026-01-01T00:00:00Z"],
  ]);
});

test("a long message is shortened to 4,096 characters", () => {
  const [ready] = conditionsOf({
    holds: undefined,
    reason: "Reason",
    message: "m".repeat(40_000),
    observedGeneration: 1,
    before: [],
    now: "2026-01-01T00:00:00Z",
  });
  expect(ready?.message).toBe(`${"m".repeat(4095)}…`);
});
