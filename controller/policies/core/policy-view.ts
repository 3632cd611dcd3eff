import type { PolicyFailure } from "../../../api";
import type { PolicyProblem } from "./policy-state";

/** State of a policy for its status. */
export interface PolicyView {
  readonly problem?: PolicyProblem;
  readonly matchedPods: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly nextRunMs?: number;
  readonly lastRunMs?: number;
  readonly failures: readonly PolicyFailure[];
  /** Pods for which the filters cannot be evaluated, with the reason of one. */
  readonly filterErrors?: { readonly count: number; readonly example: string };
}
