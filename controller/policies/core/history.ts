import { exponential } from "../../../kube";
import type { CheckpointFact, Policy, PolicyPod } from "./types";

/** Delay after the first failed Checkpoint of a pod. */
const BASE_MS = 60_000;
/** Longest delay: 6 hours. */
const MAX_MS = 21_600_000;

/** What the Checkpoints of a pod mean for its next one. */
export interface PodHistory {
  /** A Checkpoint that has not ended. */
  readonly open?: CheckpointFact;
  /** The one that was created last. */
  readonly newest?: CheckpointFact;
  /** The last failure, if no later one was completed. */
  readonly failure?: CheckpointFact;
  /** Until when no Checkpoint is created, after failures in a row. */
  readonly blockedUntilMs?: number;
  readonly failures: number;
}

/**
 * Summarizes the Checkpoints of a pod's name. They are all that survives a change of the leader, so nothing else counts.
 * @param podUID failures of an earlier pod with the same name do not count
 */
export function historyOf(facts: readonly CheckpointFact[], podUID: string): PodHistory {
  let open: CheckpointFact | undefined;
  let newest: CheckpointFact | undefined;
  let completedMs = Number.NEGATIVE_INFINITY;
  for (const fact of facts) {
    if (fact.state === "open") open = fact;
    if (newest === undefined || fact.createdMs > newest.createdMs) newest = fact;
    if (fact.state === "completed" && fact.podUID === podUID)
      completedMs = Math.max(completedMs, fact.endedMs ?? fact.createdMs);
  }
  let failures = 0;
  let failure: CheckpointFact | undefined;
  for (const fact of facts) {
    if (fact.state !== "failed" || fact.podUID !== podUID || endOf(fact) <= completedMs) continue;
    failures++;
    if (failure === undefined || endOf(fact) > endOf(failure)) failure = fact;
  }
  return {
    failures,
    ...(open && { open }),
    ...(newest && { newest }),
    ...(failure && { failure, blockedUntilMs: endOf(failure) + exponential(BASE_MS, MAX_MS, failures - 1) }),
  };
}

function endOf({ endedMs, createdMs }: CheckpointFact): number {
  return endedMs ?? createdMs;
}

/** Returns until when a policy's ticks of a pod are done, by its Checkpoints: the last time that was due. */
function lastDueMs(facts: readonly CheckpointFact[], policyUID: string, podUID: string): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const fact of facts)
    if (fact.policyUID === policyUID && fact.podUID === podUID && fact.dueMs !== undefined)
      last = Math.max(last, fact.dueMs);
  return last;
}

/**
 * Returns until when a policy is done with a pod that begins to match.
 * @param facts Checkpoints of the pod
 * @param catchUp whether what was due before is still due, within the deadline
 */
export function doneBefore(
  { policy, isRequest }: { readonly policy: Policy; readonly isRequest: boolean },
  { uid, createdMs }: Pick<PolicyPod, "uid" | "createdMs">,
  facts: readonly CheckpointFact[],
  nowMs: number,
  catchUp: boolean,
): number {
  const deadlineMs = (policy.spec.deadlineSeconds ?? 0) * 1000;
  return Math.max(
    policy.sinceMs,
    // The API server and `date` cut off the fraction of the second, so both may have the same time.
    isRequest ? createdMs - 1 : createdMs,
    catchUp ? nowMs - deadlineMs : nowMs,
    lastDueMs(facts, policy.uid, uid),
  );
}
