import { seededBelow, SEED, SOAK } from "../../../../testbed/random";
import { NOW } from "./support";
import { Cluster } from "./cluster-model";

/** Walks, each from its own seed, and steps of each: 32,000 in all, 10^7 in the soak. */
const WALKS = SOAK ? 25_000 : 80;
const STEPS = 400;

// Set by hand: a mock function would keep each of millions of calls.
const realNow = Date.now;
afterEach(() => {
  Date.now = realNow;
});

test(`G1, G2, G3 and G7 hold in ${WALKS} random lives of a cluster`, () => {
  const seen = new Map<string, number>();
  for (let seed = SEED; seed < SEED + WALKS; seed++) {
    const cluster = new Cluster(seededBelow(seed), NOW);
    Date.now = () => cluster.now;
    for (let step = 0; step < STEPS; step++) cluster.step();
    cluster.settle();
    for (const cause of cluster.causes) seen.set(cause, (seen.get(cause) ?? 0) + 1);
    expect({ seed, violations: cluster.violations.slice(0, 3) }).toEqual({ seed, violations: [] });
  }
  // The walks come to all that the gate does: otherwise they would prove little.
  expect([...seen.keys()].toSorted()).toEqual([
    "AgentLost",
    "FailedOpen",
    "Orphaned",
    "Ready",
    "Uninstalled",
  ]);
});
