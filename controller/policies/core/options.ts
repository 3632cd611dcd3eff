import type { PolicyFailure } from "../../../api";
import type { Tables } from "./policy-state";
import type { CheckpointFact, Policy, Run } from "./types";

/**
 * Outcome of an action that was due.
 * - `started`: its Checkpoint is requested, or the run of the policy has begun
 * - `covered`: another Checkpoint of the pod was created less than `minSpacingSeconds` ago, or the policy's last run has not ended
 * - `filtered`: the pod did not match any longer
 * - `backoff`: the pod's last Checkpoints failed
 * - `missed`: it could not start before its deadline
 */
export type Outcome = "started" | "covered" | "filtered" | "backoff" | "missed";
export const OUTCOMES: readonly Outcome[] = ["started", "covered", "filtered", "backoff", "missed"];

export interface EngineOptions extends Tables {
  /** Maximum number of open Checkpoints of a node, of all clients. */
  readonly maxPerNode: number;
  /** Maximum number of open Checkpoints of all policies. */
  readonly maxInFlight: number;
  /** Returns all Checkpoints of a pod's name that exist. */
  readonly checkpointsOf: (pod: string) => readonly CheckpointFact[];
  /** Called for each action that was due. */
  readonly report?: (
    outcome: Outcome,
    trigger: string,
    run: Pick<Run, "policy" | "dueMs"> & Partial<Pick<Run, "pod">>,
  ) => void;
  /** Called for each failure. */
  readonly failed?: (policy: Policy, failure: PolicyFailure) => void;
}

/** State of a policy for its status. */
export interface PolicyView {
  readonly problem?: string;
  /** What the action works on. The numbers of pods and Checkpoints are of policies for pods. */
  readonly subject: "pod" | "policy";
  readonly matchedPods: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly nextRunMs?: number;
  readonly lastRunMs?: number;
  readonly failures: readonly PolicyFailure[];
}
