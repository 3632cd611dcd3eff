import { CHI_SQUARE_49, chiSquare, simulate, violations } from "./simulation";

test("1,000 policies start each tick of 5,000 pods within a second of its time, over a day and a change of the leader", () => {
  const result = simulate({ days: 1, policies: 1000, pods: 5000, leaderChanges: 1 });
  const { pods, ...broken } = violations(result);
  expect(pods).toBe(5000);
  expect(broken).toEqual({ late: [], missed: [], tooClose: [], twice: [] });
  expect(chiSquare(result)).toBeLessThan(CHI_SQUARE_49);
  // The clock stops only where something is due or has ended, not for each pod.
  expect(result.world.advances).toBeLessThan(4 * result.world.starts.length);
});
