import { HOUR, START, World } from "./support";
import { CHI_SQUARE_49, chiSquare, simulate, violations } from "./simulation";

test("1,000 policies start each tick of 10,000 pods within a second of its time, over 30 days and 30 changes of the leader", () => {
  const result = simulate({ days: 30, policies: 1000, pods: 10_000, leaderChanges: 30 });
  const { pods, ...broken } = violations(result);
  expect(pods).toBe(10_000);
  expect(broken).toEqual({ late: [], missed: [], tooClose: [], twice: [] });
  expect(chiSquare(result)).toBeLessThan(CHI_SQUARE_49);
}, 600_000);

test("50,000 pods of 1,000 policies with an interval of 15 minutes start four times in an hour", () => {
  const world = new World({ keep: 3, maxInFlight: 5000, maxPerNode: 100 });
  for (let policy = 0; policy < 1000; policy++) {
    const filter = { pods: { matchExpressions: [{ key: `p${policy}`, operator: "Exists" }] } };
    const trigger = { heartbeat: { intervalSeconds: 900 } };
    world.policy(`p${policy}`, { trigger, filter }, { namespace: `ns-${policy % 100}` });
  }
  for (let pod = 0; pod < 50_000; pod++) {
    const labels = { [`p${pod % 1000}`]: "" };
    world.pod(`pod-${pod}`, { labels, namespace: `ns-${pod % 100}`, nodeName: `n${pod % 2000}` });
  }
  const cpu = process.cpuUsage();
  world.until(START + HOUR);
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 1e6 / 3600;
  // With the simulated cluster of the test.
  console.info(`an hour took ${(100 * share).toFixed(2)} % of a core`);
  expect(world.starts).toHaveLength(200_000);
  expect(world.outcomes.filter(({ outcome }) => outcome !== "started")).toEqual([]);
}, 600_000);
