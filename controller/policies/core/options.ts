import type { PolicyFailure } from "../../../api";
import type { Outcome } from "./outcome";
import type { Tables } from "./policy-state";
import type { CheckpointFact, Policy, Run } from "./types";

export interface EngineOptions extends Tables {
  /** Maximum number of open Checkpoints of a node, of all clients. */
  readonly maxPerNode: number;
  /** Maximum number of open Checkpoints of all policies. */
  readonly maxInFlight: number;
  /** Returns all Checkpoints of a pod's name that exist. */
  readonly checkpointsOf: (pod: string) => readonly CheckpointFact[];
  /** Returns the Checkpoint `namespace/name`; undefined if it does not exist. */
  readonly checkpointAt: (key: string) => CheckpointFact | undefined;
  /** Called for each action that was due. */
  readonly report?: (
    outcome: Outcome,
    trigger: string,
    run: Pick<Run, "policy" | "dueMs"> & Partial<Pick<Run, "pod">>,
  ) => void;
  /** Called for each failure. */
  readonly failed?: (policy: Policy, failure: PolicyFailure) => void;
}
