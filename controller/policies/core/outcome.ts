import type { PolicyFailure } from "../../../api";
import type { PolicyProblem } from "./policy-state";
import type { CheckpointFact } from "./types";
import type { Unwatched } from "./watches";

/**
 * Outcome of an action that was due.
 * - `started`: its Checkpoint is requested, or the run of the policy has begun
 * - `covered`: another Checkpoint of the pod was created less than `minSpacingSeconds` ago and completed, or the one that is created once;
 *   or the policy's last run has not ended
 * - `filtered`: the pod did not match any longer
 * - `backoff`: the pod's last Checkpoints failed
 * - `missed`: it could not start before its deadline
 * - `failed`: the run of the policy was started, and did not do all that it should
 */
export type Outcome = "started" | "covered" | "filtered" | "backoff" | "missed" | "failed";
export const OUTCOMES: readonly Outcome[] = ["started", "covered", "filtered", "backoff", "missed", "failed"];

/** State of a policy for its status. */
export interface PolicyView {
  readonly problem?: PolicyProblem;
  /** What the action works on. The numbers of pods and Checkpoints are of policies for pods. */
  readonly subject: "pod" | "policy";
  readonly matchedPods: number;
  /** Whether its trigger depends on readings. */
  readonly isWatching: boolean;
  readonly unwatched?: Unwatched;
  readonly inFlight: number;
  readonly waiting: number;
  readonly nextRunMs?: number;
  readonly lastRunMs?: number;
  readonly failures: readonly PolicyFailure[];
  /** Why the last run of the policy as a whole did not do all that it should. */
  readonly runFailure?: string;
  /** Pods for which the filters cannot be evaluated, with the reason of one. */
  readonly filterErrors?: { readonly count: number; readonly example: string };
}

/** Maximum length of the message of a failure in the status. */
const MAX_FAILURE_MESSAGE = 1024;

/** Returns a failure of a policy. @param pod its `namespace/name` */
export function failureOf(
  pod: string,
  timeMs: number,
  { reason = "CheckpointFailed", message = "" }: Pick<CheckpointFact, "reason" | "message">,
): PolicyFailure {
  const [namespace = "", name = ""] = pod.split("/");
  const text = (message === "" ? reason : message).slice(0, MAX_FAILURE_MESSAGE);
  return { namespace, pod: name, time: new Date(timeMs).toISOString(), reason, message: text };
}
