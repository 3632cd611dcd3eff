import { RECORD, type RestoreAttempts, type RestoreStatus } from "../../../api";
import type { CheckpointObject } from "../../checkpoints/objects";
import { timeOf } from "../../checkpoints/state";
import { workloadOf, type AdmittedPod } from "./pod";

/** A pod is admitted without a checkpoint after this many admissions in a row, and this time, without a pod. */
const MIN_ATTEMPTS = 3;
const MIN_MS = 30_000;
/** Age of the claim of a pod without a name after which the next pod of its owner takes it over. */
const ABANDONED_MS = 10_000;
/** Attempts whose last one is older do not count. The controllers of Kubernetes retry every 1,000 s at the latest. */
const LAPSE_MS = 3_600_000;

/** Admissions of one owner after which no pod existed, of all Checkpoints that it can be restored from. */
export interface Refusal {
  readonly reason: string;
  /** Whether a pod must be admitted without a checkpoint, to find out whether such pods are created. */
  readonly isDue: boolean;
  /** Those whose claim may have a pod that is not recorded yet. */
  readonly claimed: readonly CheckpointObject[];
  /** The Checkpoint with the most attempts, on which a pod without a checkpoint is recorded. */
  readonly record: { readonly checkpoint: CheckpointObject; readonly attempts: RestoreAttempts };
}

/** Returns the attempts including this one, for the claim of a pod. Undefined for a pod without owner and name. */
export function nextAttempts(
  pod: AdmittedPod,
  restore: RestoreStatus | undefined,
  nowMs: number,
): RestoreAttempts | undefined {
  const owner = pod.owner?.uid ?? pod.name;
  if (owner === undefined) return undefined;
  const before = attemptsOf(pod, restore, nowMs);
  if (before === undefined) return { owner, count: 1, firstTime: timeOf(nowMs) };
  // The API server calls the webhook again for the same admission.
  return isOwnClaim(pod, restore) ? before : { ...before, count: before.count + 1 };
}

/**
 * Checks whether the claim is of an earlier pod of the same owner, without a name, that was not created. If it is created after
 * all, the claim is not its own, and it starts fresh.
 */
export function isAbandoned(
  pod: AdmittedPod,
  restore: RestoreStatus | undefined,
  nowMs: number,
): restore is RestoreStatus {
  if (restore?.state !== "Claimed" || restore.podName !== undefined || pod.name !== undefined) return false;
  return attemptsOf(pod, restore, nowMs) !== undefined && isOld(restore, nowMs);
}

/**
 * Returns why a pod is not restored although a Checkpoint fits: pods of its owner that were to be restored were not created.
 * Undefined if the attempts are too few, or too recent.
 * @param checkpoints that the request selects
 */
export function refusalOf(
  pod: AdmittedPod,
  checkpoints: readonly CheckpointObject[],
  nowMs: number,
): Refusal | undefined {
  const all = checkpoints.flatMap((checkpoint) => {
    const { restore } = checkpoint.status;
    const attempts = attemptsOf(pod, restore, nowMs);
    if (attempts === undefined || restore === undefined) return [];
    const isClaimed = restore.state === "Claimed" && !isSameName(pod, restore);
    // The pod of a young claim may be under creation.
    return isClaimed && !isOld(restore, nowMs) ? [] : [{ attempts, checkpoint, isClaimed }];
  });
  const count = all.reduce((sum, { attempts }) => sum + attempts.count, 0);
  const firstMs = Math.min(...all.map(({ attempts }) => Date.parse(attempts.firstTime)));
  const [most] = all.toSorted((a, b) => b.attempts.count - a.attempts.count);
  if (most === undefined || count < MIN_ATTEMPTS || nowMs - firstMs < MIN_MS) return undefined;
  // The API server calls the webhook again for a pod that an earlier call admitted without a checkpoint.
  const isAgain = all.some(
    ({ checkpoint: { status } }) => status.restore?.state === "PodMissing" && isOwnClaim(pod, status.restore),
  );
  const freshAt = Math.max(...all.map(({ attempts }) => attempts.freshAt ?? 0));
  return {
    record: { checkpoint: most.checkpoint, attempts: { ...most.attempts, freshAt: count } },
    reason: `pods of ${workloadOf(pod)} that were to be restored were admitted ${count} times since ${timeOf(firstMs)}, and none was created: a policy, a quota or another webhook rejects them`,
    isDue: isAgain || freshAt === 0 || count >= 2 * freshAt,
    claimed: all.filter(({ isClaimed }) => isClaimed).map(({ checkpoint }) => checkpoint),
  };
}

/** Checks whether an earlier call for this admission wrote the record, to restore the pod or to admit it fresh. */
export function isOwnClaim(pod: AdmittedPod, restore: RestoreStatus | undefined): boolean {
  const claim = pod.annotations[RECORD.claim];
  return claim !== undefined && restore?.podUID === undefined && restore?.claim === claim;
}

/** Returns the attempts of the pod's owner. Undefined if a pod was created since. */
function attemptsOf(
  pod: AdmittedPod,
  restore: RestoreStatus | undefined,
  nowMs: number,
): RestoreAttempts | undefined {
  if (restore === undefined || restore.podUID !== undefined) return undefined;
  const { state, attempts, time } = restore;
  if (state !== "Claimed" && state !== "PodMissing") return undefined;
  if (attempts === undefined || attempts.owner !== (pod.owner?.uid ?? pod.name)) return undefined;
  return nowMs - Date.parse(time) > LAPSE_MS ? undefined : attempts;
}

const isOld = ({ time }: RestoreStatus, nowMs: number) => nowMs - Date.parse(time) >= ABANDONED_MS;
const isSameName = ({ name }: AdmittedPod, { podName }: RestoreStatus) =>
  name !== undefined && name === podName;
