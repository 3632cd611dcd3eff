import { CHI_SQUARE_49, chiSquare, simulate, violations } from "./simulation";

test("1,000 policies start each tick of 10,000 pods within a second of its time, over 30 days and 30 changes of the leader", () => {
  const result = simulate({ days: 30, policies: 1000, pods: 10_000, leaderChanges: 30 });
  const { pods, ...broken } = violations(result);
  expect(pods).toBe(10_000);
  expect(broken).toEqual({ late: [], missed: [], tooClose: [], twice: [] });
  expect(chiSquare(result)).toBeLessThan(CHI_SQUARE_49);
}, 600_000);
