import type { RetentionKeepReason } from "../../../api";
import { each, type Steps } from "../../../kube";
import type { RetainedCheckpoint, RetainingPod } from "./facts";

/** How long after the start of a pod other pods of its workload may still be created, to be restored. */
const SETTLE_MS = 3_600_000;
/** How long the owner of a pod that was not created tries again: admissions in a row end an hour after the last one. */
const MISSING_MS = 3_600_000;
/** Longest time in which an engine may work on a failed Checkpoint whose outcome is unknown: the longest time limit of a request. */
const FAILURE_MS = 86_400_000;
/** Failures in a row of a pod that its backoff counts: 10 of them are the longest delay. */
const FAILURES = 10;

/** What protects Checkpoints. */
export interface ProtectionInput {
  /** All Checkpoints of the namespaces, newest first, also those that the policy does not select: any may be the last good one. */
  readonly checkpoints: readonly RetainedCheckpoint[];
  readonly pods: readonly RetainingPod[];
  /** `namespace/name` of the Checkpoints that pod templates name. */
  readonly named: ReadonlySet<string>;
  /** UIDs of the Jobs that exist. Undefined if that is not known. */
  readonly jobs?: ReadonlySet<string>;
  /** Returns why the objects of a namespace are not all known; undefined if they are. */
  readonly unknown?: (namespace: string) => string | undefined;
}

export interface Protection {
  readonly reason: RetentionKeepReason;
  readonly message: string;
}

export interface Protect {
  /** Returns why the Checkpoint must not be deleted, whatever the limits are; undefined if it may be. */
  (checkpoint: RetainedCheckpoint): Protection | undefined;
  /** Returns the newer Checkpoints without which this one would be protected. */
  reliesOn(checkpoint: RetainedCheckpoint): readonly RetainedCheckpoint[];
}

/** Returns whether a process was started from the Checkpoint: of a pod, or of a sandbox pod that verified it. */
export function isProven({ state, restore, isVerified }: RetainedCheckpoint): boolean {
  return state === "completed" && (restore?.state === "Restored" || isVerified === true);
}

/** Returns whether a pod can be expected to start from the Checkpoint. */
export function isGood({ state, isDeleted, restore }: RetainedCheckpoint): boolean {
  return state === "completed" && !isDeleted && restore?.state !== "Failed";
}

/** Evaluates what protects Checkpoints. The first rule that holds is the reason. */
export function* protections(input: ProtectionInput, nowMs: number): Steps<Protect> {
  const { named, jobs, unknown = () => undefined } = input;
  const roles = yield* rolesOf(input, nowMs);
  const users = yield* usersOf(input.pods);
  const recent = yield* failuresInARow(input);
  /** A Job that was deleted is never restored: one of the same name is another workload. */
  const isObsolete = ({ jobUID, endedMs = nowMs }: RetainedCheckpoint) =>
    jobUID !== undefined && jobs !== undefined && !jobs.has(jobUID) && nowMs - endedMs > SETTLE_MS;

  const protect = (one: RetainedCheckpoint): Protection | undefined => {
    const why = unknown(one.pod.namespace);
    if (why !== undefined) return { reason: "NotKnown", message: `its namespace is not known: ${why}` };
    if (one.isDeleted) return { reason: "Deleting", message: "it is being deleted" };
    if (one.state === "open") return { reason: "NotEnded", message: "it has not ended" };
    if (one.endedMs === undefined) return { reason: "NotKnown", message: "when it ended is not known" };
    if (one.isPinned) return { reason: "Pinned", message: "spec.pinned is true" };
    if (one.cedana !== undefined)
      return { reason: "OwnedByCedana", message: `the Cedana ${one.cedana} owns it` };
    const use = useOf(one, users.get(one.uid), named, nowMs);
    if (use !== undefined) return { reason: "InUse", message: use };
    if (one.state === "failed")
      return recent.has(one) || nowMs - one.endedMs < FAILURE_MS
        ? { reason: "RecentFailure", message: "the backoff of its pod, or an engine, may still depend on it" }
        : undefined;
    if (isObsolete(one)) return undefined;
    const role = roles.get(one);
    return role && { reason: role, message: ROLES[role] };
  };
  return Object.assign(protect, {
    reliesOn: (one: RetainedCheckpoint) =>
      one.state === "completed" && !isObsolete(one) ? roles.reliesOn(one) : [],
  });
}

const ROLES = {
  LastGood: "the last good one of its workload, or of a pod that may be restored",
  LastProven: "the last one of its workload that a restore has proven",
} as const;

/** Returns the running or pending restore that needs the Checkpoint. States that this version does not know need it too. */
function useOf(
  { key, restore }: RetainedCheckpoint,
  pod: string | undefined,
  named: ReadonlySet<string>,
  nowMs: number,
): string | undefined {
  if (pod !== undefined) return `pod ${pod} is restored from it`;
  if (named.has(key)) return "the pod template of a workload names it";
  if (restore === undefined) return undefined;
  switch (restore.state) {
    case "Restored":
    case "Failed":
      return undefined;
    case "Claimed":
      return "a pod has claimed it";
    case "PodMissing":
      return nowMs - restore.timeMs > MISSING_MS ? undefined : "the owner of a pod tries to restore it";
    default:
      return `its restore has the state ${restore.state}: remove status.restore if no pod needs it`;
  }
}

/** Returns the pods by the UID of the Checkpoint that they are restored from: a container may be restored again until the pod ends. */
function* usersOf(pods: readonly RetainingPod[]): Steps<ReadonlyMap<string, string>> {
  const users = new Map<string, string>();
  yield* each(pods, ({ restoredFrom, hasEnded, name }) => {
    if (restoredFrom !== undefined && !hasEnded) users.set(restoredFrom, name);
  });
  return users;
}

/** Returns the failed Checkpoints that count for the backoff of a pod that exists. */
function* failuresInARow({ checkpoints, pods }: ProtectionInput): Steps<ReadonlySet<RetainedCheckpoint>> {
  const exists = new Set<string>();
  yield* each(pods, ({ uid }) => void exists.add(uid));
  const counts = new Map<string, number>();
  const found = new Set<RetainedCheckpoint>();
  yield* each(checkpoints, (one) => {
    const { source, state } = one;
    const count = counts.get(source) ?? 0;
    if (!exists.has(source) || count === FAILURES) return;
    // A completed one ends the row.
    if (state === "completed") counts.set(source, FAILURES);
    if (state !== "failed") return;
    found.add(one);
    counts.set(source, count + 1);
  });
  return found;
}

interface Roles {
  get(checkpoint: RetainedCheckpoint): keyof typeof ROLES | undefined;
  reliesOn(checkpoint: RetainedCheckpoint): readonly RetainedCheckpoint[];
}

/** Finds the Checkpoints that their workload must not lose. */
function* rolesOf({ checkpoints, pods }: ProtectionInput, nowMs: number): Steps<Roles> {
  const roles = new Map<RetainedCheckpoint, keyof typeof ROLES>();
  const newestOf = new Map<string, RetainedCheckpoint>();
  const lastGood = new Map<string, RetainedCheckpoint>();
  const lastProven = new Map<string, RetainedCheckpoint>();
  const lastOfSource = new Map<string, RetainedCheckpoint>();
  /** Number of pods with a good Checkpoint, by lineage. */
  const sources = new Map<string, number>();
  const places = yield* placesOf(pods, nowMs);
  yield* each(checkpoints, (one) => {
    const { state, isDeleted, lineage } = one;
    if (state !== "completed" || isDeleted) return;
    if (isProven(one) && !lastProven.has(lineage)) {
      lastProven.set(lineage, one);
      roles.set(one, "LastProven");
    }
    // The restore of the newest one may have failed for another reason than the checkpoint.
    if (!newestOf.has(lineage)) {
      newestOf.set(lineage, one);
      roles.set(one, "LastGood");
    }
    if (!isGood(one)) return;
    if (!lastGood.has(lineage)) lastGood.set(lineage, one);
    // `latest` restores the newest one of each pod.
    const source = `${lineage} ${one.source}`;
    if (lastOfSource.has(source)) return;
    lastOfSource.set(source, one);
    const number = (sources.get(lineage) ?? 0) + 1;
    sources.set(lineage, number);
    if (number <= (newestOf.get(lineage)?.isPool ? places(lineage) : 1)) roles.set(one, "LastGood");
  });
  return {
    get: (one) => roles.get(one),
    reliesOn: (one) => {
      const { lineage, source } = one;
      const all = [
        newestOf.get(lineage),
        ...(isGood(one) ? [lastGood.get(lineage), lastOfSource.get(`${lineage} ${source}`)] : []),
        ...(isProven(one) ? [lastProven.get(lineage)] : []),
      ];
      return [...new Set(all)].filter(
        (other) => other !== undefined && other !== one,
      ) as RetainedCheckpoint[];
    },
  };
}

/**
 * Returns the number of pods of a pool that may be restored at once: those that exist. While it has none, or one that is young or
 * being deleted, all pods that it had may be restored: it is scaled down or replaced, was scaled to zero, or lost its nodes.
 */
function* placesOf(pods: readonly RetainingPod[], nowMs: number): Steps<(pool: string) => number> {
  const counts = new Map<string, { count: number; youngestMs: number }>();
  yield* each(pods, ({ pool, hasEnded, isDeleted, createdMs }) => {
    if (pool === undefined || (hasEnded && !isDeleted)) return;
    const known = counts.get(pool) ?? { count: 0, youngestMs: 0 };
    const sinceMs = isDeleted ? Number.POSITIVE_INFINITY : createdMs;
    counts.set(pool, { count: known.count + 1, youngestMs: Math.max(known.youngestMs, sinceMs) });
  });
  return (pool) => {
    const { count, youngestMs } = counts.get(pool) ?? { count: 0, youngestMs: 0 };
    return count === 0 || nowMs - youngestMs < SETTLE_MS ? Number.POSITIVE_INFINITY : count;
  };
}
