/** Checks each start of policies with random policies, requests, Checkpoints of other clients, failures and leaders. */
import { SEED, seeded } from "../../../../testbed/random";
import { World } from "./support";

const RUNS = 100;
const PODS = 6;

interface Limits {
  readonly minSpacingSeconds: number;
  readonly deadlineSeconds: number;
}

/** Runs a random cluster. @returns what is wrong with its starts, and their number */
function run(seed: number): { readonly wrong: readonly string[]; readonly starts: number } {
  const random = seeded(seed);
  const below = (count: number) => Math.floor(random() * count);
  const one = <T>(...all: readonly [T, ...T[]]): T => all[below(all.length)] ?? all[0];
  // World fails for two open Checkpoints of a pod, and for two Checkpoints with the same name.
  const world = new World({
    maxInFlight: 1 + below(5),
    maxPerNode: 1 + below(3),
    durationMs: () => 1000 + below(120_000),
    fails: () => random() < 0.3,
  });
  const limits = new Map<string, Limits>();
  for (let index = 0; index < 4; index++) {
    const uid = `p${index}`;
    const limit = { minSpacingSeconds: one(0, 30, 60), deadlineSeconds: one(10, 60, 600) };
    const interval = { intervalSeconds: one(60, 120, 300, 600) };
    const trigger = one<object>(
      { manual: {} },
      { heartbeat: interval },
      { heartbeat: { ...interval, jitterSeconds: 0 } },
    );
    limits.set(uid, limit);
    world.policy(uid, { trigger, maxInFlight: 1 + below(3), ...limit });
  }
  const podOn = (index: number, more = {}) => world.pod(`a${index}`, { nodeName: `n${index % 2}`, ...more });
  for (let index = 0; index < PODS; index++) podOn(index);
  for (let step = 0; step < 60; step++) {
    const index = below(PODS);
    const facts = world.facts.get(`team-a/a${index}`) ?? [];
    one(
      () => podOn(index, { requestedMs: world.nowMs + one(0, 30_000) }),
      () =>
        facts.some(({ state }) => state === "open") || world.checkpoint(`team-a/a${index}`, below(60_000)),
      () => world.changeLeader(below(300_000)),
      () => undefined,
    )();
    world.pass(below(120_000));
  }
  const seen = new Set<string>();
  const wrong = world.starts.flatMap(({ policy, pod, dueMs, atMs }) => {
    const { minSpacingSeconds = 0, deadlineSeconds = 0 } = limits.get(policy) ?? {};
    const start = `seed ${seed}: ${policy} ${pod}, due at ${dueMs}, at ${atMs}`;
    const earlier = (world.facts.get(`team-a/${pod}`) ?? []).filter(({ createdMs }) => createdMs < atMs);
    const lastMs = Math.max(...earlier.map(({ createdMs }) => createdMs));
    const key = `${policy} ${pod} ${dueMs}`;
    const isTwice = seen.has(key);
    seen.add(key);
    return [
      ...(isTwice ? [`${start}: a second time`] : []),
      ...(dueMs > atMs ? [`${start}: too early`] : []),
      ...(atMs - dueMs > deadlineSeconds * 1000 ? [`${start}: after the deadline`] : []),
      ...(atMs - lastMs < minSpacingSeconds * 1000 ? [`${start}: within the spacing`] : []),
    ];
  });
  return { wrong, starts: world.starts.length };
}

test(`no start is duplicate, early, late or within the spacing, and no pod has two open Checkpoints, in ${RUNS} random clusters`, () => {
  const results = Array.from({ length: RUNS }, (_, index) => run(SEED + index));
  expect(results.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(results.reduce((sum, { starts }) => sum + starts, 0)).toBeGreaterThan(20 * RUNS);
});
