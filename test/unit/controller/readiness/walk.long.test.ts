import { seededBelow, SEED, SOAK } from "../../../../testbed/random";
import { NOW } from "./support";
import { Cluster } from "./cluster-model";

/** Random walks, each with its own seed, and the steps of each: 32,000 in total, 10^7 in the soak test. */
const WALKS = SOAK ? 25_000 : 80;
const STEPS = 400;

// Set directly: a mock function would record each of millions of calls.
const realNow = Date.now;
afterEach(() => {
  Date.now = realNow;
});

test(`G1, G2, G3 and G7 hold in ${WALKS} random cluster histories`, () => {
  const seen = new Map<string, number>();
  for (let seed = SEED; seed < SEED + WALKS; seed++) {
    const cluster = new Cluster(seededBelow(seed), NOW);
    Date.now = () => cluster.now;
    for (let step = 0; step < STEPS; step++) cluster.step();
    cluster.settle();
    for (const cause of cluster.causes) seen.set(cause, (seen.get(cause) ?? 0) + 1);
    expect({ seed, violations: cluster.violations.slice(0, 3) }).toEqual({ seed, violations: [] });
  }
  // The walks must reach every cause of a taint change.
  expect([...seen.keys()].toSorted()).toEqual([
    "AgentLost",
    "FailedOpen",
    "Orphaned",
    "Ready",
    "Uninstalled",
  ]);
});
