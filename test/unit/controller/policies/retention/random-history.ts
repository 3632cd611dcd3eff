import type { RetainedCheckpoint, RetainingPod } from "../../../../../controller/policies/retention/facts";
import type { RetentionInput } from "../../../../../controller/policies/retention/plan";
import type { Random } from "../../../../../testbed/random";
import { checkpoint, DAY, HOUR, NOW, pod } from "./support";

/** Workloads: a pod of a StatefulSet, a Deployment and a Job. */
const WORKLOADS = [
  { lineage: "web-0", isPool: false },
  { lineage: "api", isPool: true },
  { lineage: "job", isPool: true, jobUID: "job" },
] as const;
const PODS = ["a", "b", "c"];
const RESTORES = ["Claimed", "Restored", "Failed", "Unknown", "PodMissing", "Migrating"];
/** Times at which rules change, and some between. */
const AGES = [0, 1, HOUR - 1, HOUR, HOUR + 1, DAY - 1, DAY, DAY + 1000, 3 * DAY, 9 * DAY];

export function randomCheckpoint(random: Random, name: string): RetainedCheckpoint {
  const age = random.chance(0.4) ? random.pick(AGES) : Math.floor(random.between(0, 10)) * DAY;
  const isEnded = !random.chance(0.1);
  return checkpoint(name, {
    ...random.pick(WORKLOADS),
    source: random.pick(PODS),
    state: isEnded ? (random.chance(0.2) ? "failed" : "completed") : "open",
    endedMs: isEnded && !random.chance(0.02) ? NOW - age : undefined,
    sizeBytes: random.chance(0.1) ? undefined : Math.floor(random.between(0, 5)),
    isPinned: random.chance(0.08),
    isDeleted: random.chance(0.05),
    ...(random.chance(0.03) && { cedana: "demo" }),
    policy: random.chance(0.3) ? undefined : random.pick(["nightly", "hourly"]),
    ...(random.chance(0.35) && {
      restore: { state: random.pick(RESTORES), timeMs: NOW - random.pick(AGES) },
    }),
    ...(random.chance(0.15) && { isVerified: true }),
  });
}

export function randomPod(random: Random, checkpoints: readonly RetainedCheckpoint[]): RetainingPod {
  const pool = random.chance(0.3) ? undefined : random.pick(["api", "job"]);
  return pod(random.pick(PODS), {
    createdMs: NOW - random.pick(AGES),
    ...(pool !== undefined && { pool }),
    ...(random.chance(0.3) && checkpoints.length > 0 && { restoredFrom: random.pick(checkpoints).uid }),
    isDeleted: random.chance(0.15),
    hasEnded: random.chance(0.15),
  });
}

export function randomLimits(random: Random): RetentionInput["limits"] {
  const limits = {
    ...(random.chance(0.6) && { olderThanSeconds: Math.floor(random.pick(AGES) / 1000) + 60 }),
    ...(random.chance(0.5) && { keepLast: 1 + Math.floor(random.between(0, 3)) }),
    ...(random.chance(0.4) && { maxTotalBytes: 1 + Math.floor(random.between(0, 15)) }),
  };
  return Object.keys(limits).length === 0 ? { keepLast: 1 } : limits;
}

/** Returns the facts of a random history of up to 4 pods. @param count of Checkpoints. Default: up to 10 */
export function randomHistory(
  random: Random,
  count: number = Math.floor(random.between(1, 11)),
): RetentionInput {
  const checkpoints = Array.from({ length: count }, (_, index) => randomCheckpoint(random, `c${index}`));
  const policy = random.pick(["nightly", "any"]);
  return {
    limits: randomLimits(random),
    checkpoints,
    isSelected: (one) => policy === "any" || one.policy === policy,
    pods: Array.from({ length: Math.floor(random.between(0, 5)) }, () => randomPod(random, checkpoints)),
    named: new Set(random.chance(0.2) ? [random.pick(checkpoints).key] : []),
    ...(random.chance(0.8) && { jobs: new Set(random.chance(0.5) ? ["job"] : []) }),
    ...(random.chance(0.02) && { unknown: () => "denied" }),
  };
}
