/** What retention does, by its definition: for each Checkpoint alone, without indexes, in the words of docs/policies.md. */
import type { RetainedCheckpoint } from "../../../../../controller/policies/retention/facts";
import type { RetentionInput } from "../../../../../controller/policies/retention/plan";
import { DAY, HOUR } from "./support";

export const newer = (a: RetainedCheckpoint, b: RetainedCheckpoint) =>
  (a.endedMs ?? 0) > (b.endedMs ?? 0) || ((a.endedMs ?? 0) === (b.endedMs ?? 0) && a.key < b.key);

export const exists = ({ state, isDeleted }: RetainedCheckpoint) => state === "completed" && !isDeleted;
export const good = (one: RetainedCheckpoint) => exists(one) && one.restore?.state !== "Failed";
export const proven = (one: RetainedCheckpoint) =>
  exists(one) && (one.restore?.state === "Restored" || one.isVerified === true);

/** Checks what a deletion must never do to the Checkpoint itself. */
export function isUntouchable({ state, isDeleted, isPinned, cedana, endedMs }: RetainedCheckpoint): boolean {
  return state === "open" || isDeleted || isPinned || cedana !== undefined || endedMs === undefined;
}

/** Checks the state of its restore: claimed, unknown, or of a later version. */
export function isClaimed({ restore }: RetainedCheckpoint, nowMs: number): boolean {
  if (restore === undefined || restore.state === "Restored" || restore.state === "Failed") return false;
  return restore.state !== "PodMissing" || nowMs - restore.timeMs <= HOUR;
}

export function hasPods({ uid }: RetainedCheckpoint, { pods }: Pick<RetentionInput, "pods">): boolean {
  return pods.some(({ restoredFrom, hasEnded }) => restoredFrom === uid && !hasEnded);
}

/** Checks whether the workload has nothing newer than this one: completed, good, or proven. */
export function isLast(one: RetainedCheckpoint, all: readonly RetainedCheckpoint[]): boolean {
  const others = all.filter((other) => other.lineage === one.lineage && newer(other, one));
  return [exists, good, proven].some((is) => is(one) && !others.some(is));
}

export function isObsolete(
  { jobUID, endedMs = 0 }: RetainedCheckpoint,
  { jobs }: RetentionInput,
  nowMs: number,
) {
  return jobUID !== undefined && jobs !== undefined && !jobs.has(jobUID) && nowMs - endedMs > HOUR;
}

/** Checks whether a new pod of a Deployment may be restored from it: no more pods have a newer last one than there are pods. */
function mayBeRestored(
  one: RetainedCheckpoint,
  { checkpoints, pods }: RetentionInput,
  nowMs: number,
): boolean {
  const { lineage, source } = one;
  const newerGood = checkpoints.filter(
    (other) => other.lineage === lineage && good(other) && newer(other, one),
  );
  if (!good(one) || newerGood.some((other) => other.source === source)) return false;
  const all = pods.filter(({ pool }) => pool === lineage);
  const own = all.filter(({ hasEnded, isDeleted }) => !hasEnded && !isDeleted);
  const isSettled =
    own.length > 0 &&
    own.every(({ createdMs }) => nowMs - createdMs >= HOUR) &&
    all.every(({ isDeleted }) => !isDeleted);
  return !isSettled || new Set(newerGood.map((other) => other.source)).size < own.length;
}

function isFailureInARow(one: RetainedCheckpoint, { checkpoints, pods }: RetentionInput): boolean {
  if (!pods.some(({ uid }) => uid === one.source)) return false;
  const newerOnes = checkpoints.filter((other) => other.source === one.source && newer(other, one));
  return (
    newerOnes.every(({ state }) => state !== "completed") &&
    newerOnes.filter(({ state }) => state === "failed").length < 10
  );
}

function isProtected(one: RetainedCheckpoint, input: RetentionInput, nowMs: number): boolean {
  const { named, checkpoints, unknown } = input;
  if (unknown?.(one.pod.namespace) !== undefined || isUntouchable(one)) return true;
  if (isClaimed(one, nowMs) || hasPods(one, input) || named.has(one.key)) return true;
  if (one.state === "failed") return nowMs - (one.endedMs ?? 0) < DAY || isFailureInARow(one, input);
  if (isObsolete(one, input, nowMs)) return false;
  return isLast(one, checkpoints) || (one.isPool && mayBeRestored(one, input, nowMs));
}

/** Returns the keys of the Checkpoints that are deleted, the oldest first. */
export function expectedDeletions(input: RetentionInput, nowMs: number): readonly string[] {
  const { limits, checkpoints, isSelected } = input;
  const { olderThanSeconds, keepLast, maxTotalBytes } = limits;
  const selected = checkpoints.filter(isSelected);
  const isKept = (one: RetainedCheckpoint) =>
    isProtected(one, input, nowMs) ||
    (keepLast !== undefined &&
      exists(one) &&
      selected.filter((other) => other.lineage === one.lineage && exists(other) && newer(other, one)).length <
        keepLast);
  const may = selected.filter((one) => !isKept(one));
  const isOld = ({ endedMs = 0 }: RetainedCheckpoint) =>
    Math.floor((nowMs - endedMs) / 1000) > (olderThanSeconds ?? Number.POSITIVE_INFINITY);
  const deleted = new Set(
    olderThanSeconds === undefined && maxTotalBytes === undefined ? may : may.filter(isOld),
  );
  const size = () =>
    selected.reduce((sum, one) => (deleted.has(one) || one.isDeleted ? sum : sum + (one.sizeBytes ?? 0)), 0);
  while (size() > (maxTotalBytes ?? Number.POSITIVE_INFINITY)) {
    const left = may.filter((one) => !deleted.has(one) && (one.sizeBytes ?? 0) > 0);
    const oldest = left.find((one) => left.every((other) => other === one || newer(other, one)));
    if (oldest === undefined) break;
    deleted.add(oldest);
  }
  return [...deleted].toSorted((a, b) => (newer(a, b) ? 1 : -1)).map(({ key }) => key);
}
