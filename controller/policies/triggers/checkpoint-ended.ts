import type { CheckpointEndedTrigger, CheckpointOutcome } from "../../../api";
import type { CheckpointFact, Trigger } from "../core/types";

/** Is due when a Checkpoint of the pod has ended. */
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
  // The pod is due for each Checkpoint, one after the other.
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
