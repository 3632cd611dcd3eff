import type { CheckpointEndedTrigger, CheckpointOutcome } from "../../../api";
import type { CheckpointFact, Trigger } from "../core/types";

/** When a Checkpoint of the pod ended. */
export const checkpointEnded: Trigger<CheckpointEndedTrigger> = {
  isRequest: true,
  followsCheckpoints: true,
  next(settings, { checkpoints }, afterMs) {
    const times = (checkpoints?.() ?? []).flatMap((fact) =>
      fact.endedMs !== undefined && fact.endedMs > afterMs && isSelected(settings, fact)
        ? [fact.endedMs]
        : [],
    );
    return times.length === 0 ? undefined : Math.min(...times);
  },
  // Each one is due, one after the other.
  done: (dueMs) => dueMs,
};

/** Returns the outcome of a Checkpoint; undefined if it has not ended. */
export function outcomeOf({ state }: Pick<CheckpointFact, "state">): CheckpointOutcome | undefined {
  if (state === "open") return undefined;
  return state === "failed" ? "Failed" : "Completed";
}

/** Returns whether the trigger is due for a Checkpoint. */
export function isSelected({ outcomes, policies }: CheckpointEndedTrigger, fact: CheckpointFact): boolean {
  const outcome = outcomeOf(fact);
  if (outcome === undefined || outcomes?.includes(outcome) === false) return false;
  return policies === undefined || (fact.policyName !== undefined && policies.includes(fact.policyName));
}
