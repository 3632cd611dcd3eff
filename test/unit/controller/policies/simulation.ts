import { SEED, seeded } from "../../../../testbed/random";
import { HOUR, MINUTE, START, World } from "./support";

export interface Scale {
  readonly days: number;
  readonly policies: number;
  readonly pods: number;
  readonly leaderChanges: number;
}

/** Intervals of the policies, in seconds. */
const INTERVALS = [6, 8, 12, 24].map((hours) => hours * 3600);

export interface Result {
  readonly world: World;
  /** Times at which no process led. */
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly intervalOf: (policy: string) => number;
  readonly endMs: number;
}

/** Runs policies over pods on a virtual clock. Each pod belongs to one policy; each tenth one to a second one. */
export function simulate({ days, policies, pods, leaderChanges }: Scale): Result {
  const random = seeded(SEED);
  const world = new World({ keep: 3, durationMs: () => 5000 + Math.floor(random() * 25_000) });
  const intervalOf = (policy: string) => INTERVALS[Number(policy.slice(1)) % INTERVALS.length] ?? 0;
  for (let index = 0; index < policies; index++) {
    const uid = `p${index}`;
    world.policy(
      uid,
      {
        trigger: { heartbeat: { intervalSeconds: intervalOf(uid) } },
        filter: { pods: { matchExpressions: [{ key: uid, operator: "Exists" }] } },
        minSpacingSeconds: 300,
      },
      { namespace: `ns-${index % 100}` },
    );
  }
  for (let index = 0; index < pods; index++) {
    const first = index % policies;
    // Of the same namespace.
    const second = (first + 100) % policies;
    const labels = { [`p${first}`]: "", ...(index % 10 === 0 ? { [`p${second}`]: "" } : {}) };
    world.pod(`pod-${index}`, { labels, namespace: `ns-${first % 100}`, nodeName: `n${index % 500}` });
  }
  const endMs = START + days * 24 * HOUR;
  const gaps: { fromMs: number; toMs: number }[] = [];
  for (let change = 0; change < leaderChanges; change++) {
    const fromMs = START + Math.floor(((change + 0.2 + 0.6 * random()) / leaderChanges) * days * 24 * HOUR);
    world.until(fromMs);
    // Some outages are longer than the deadline of 10 minutes.
    const toMs = fromMs + 1000 + Math.floor(random() * 20 * MINUTE);
    world.changeLeader(toMs - fromMs);
    gaps.push({ fromMs, toMs });
  }
  world.until(endMs);
  return { world, gaps, intervalOf, endMs };
}

/** Checks the invariants of a run. Each is a list of what breaks it. */
export function violations({ world, gaps, intervalOf, endMs }: Result) {
  const inGap = (timeMs: number) => gaps.some(({ fromMs, toMs }) => timeMs >= fromMs && timeMs <= toMs);
  const byPod = new Map<string, typeof world.starts>();
  for (const start of world.starts) {
    const list = byPod.get(start.pod);
    if (list) list.push(start);
    else byPod.set(start.pod, [start]);
  }
  const late = world.starts.filter(
    ({ dueMs, atMs, pod }) =>
      atMs - dueMs > 1000 &&
      !inGap(dueMs) &&
      // Two policies of one pod may be due while the other's Checkpoint is open.
      Number(pod.slice(4)) % 10 !== 0,
  );
  const missed: string[] = [];
  const tooClose: string[] = [];
  const twice: string[] = [];
  for (const [pod, starts] of byPod) {
    const seen = new Set(starts.map(({ policy, dueMs }) => `${policy} ${dueMs}`));
    if (seen.size !== starts.length) twice.push(pod);
    starts.forEach((start, index) => {
      const before = starts[index - 1];
      if (before && start.atMs - before.atMs < 300_000) tooClose.push(`${pod} at ${start.atMs}`);
    });
    if (Number(pod.slice(4)) % 10 === 0) continue;
    // A pod with one policy has a fixed delay: all its ticks follow from the first.
    const [{ policy, dueMs: firstMs } = { policy: "", dueMs: 0 }] = starts;
    const intervalMs = intervalOf(policy) * 1000;
    for (let dueMs = firstMs; dueMs < endMs; dueMs += intervalMs)
      if (!seen.has(`${policy} ${dueMs}`) && !inGap(dueMs)) missed.push(`${pod} at ${dueMs}`);
    if (starts.some(({ dueMs }) => (dueMs - firstMs) % intervalMs !== 0)) missed.push(`${pod}: off its grid`);
    if (firstMs >= START + intervalMs) missed.push(`${pod}: first at ${firstMs}`);
  }
  return { late, missed, tooClose, twice, pods: byPod.size };
}

/** Returns the chi-square statistic of the pods' delays, as shares of the interval in 50 equal parts. */
export function chiSquare({ world, intervalOf }: Result): number {
  const PARTS = 50;
  const counts = Array.from({ length: PARTS }, () => 0);
  const first = new Map(world.starts.toReversed().map((start) => [`${start.pod} ${start.policy}`, start]));
  for (const { policy, dueMs } of first.values()) {
    const intervalMs = intervalOf(policy) * 1000;
    const part = Math.floor(((dueMs % intervalMs) / intervalMs) * PARTS);
    counts[part] = (counts[part] ?? 0) + 1;
  }
  const expected = first.size / PARTS;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The value that a chi-square of 49 degrees of freedom exceeds with a probability of 0.001. */
export const CHI_SQUARE_49 = 85.35;
