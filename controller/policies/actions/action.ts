import type { PolicyStatus } from "../../../api";
import type { Client } from "../../../kube";
import type { Policy, PolicyRun, Run } from "../core/types";
import type { Retention } from "../retention";

export interface ActionContext {
  /** Writes only while this process leads. */
  readonly client: Pick<Client, "create">;
  readonly signal: AbortSignal;
}

/** What is done with a pod that is due. `S` is the type of its settings in `spec.action`. */
export interface PodAction<S = never> {
  readonly of?: "pod";
  /**
   * Executes the action. It may be called again for the same run, after an error or by the next leader.
   * @returns `open` if it created a Checkpoint with the run's key: the run then ends with the Checkpoint. `ended` otherwise
   * @throws any error: it is retried until the run's deadline, unless the API server rejected the request
   */
  execute(settings: S, run: Run, context: ActionContext): Promise<"open" | "ended">;
}

export interface PolicyActionContext {
  /** Deletes only while this process leads. */
  readonly retention: Retention;
  readonly signal: AbortSignal;
}

/** What is done when a policy as a whole is due. */
export interface PolicyAction<S = never> {
  readonly of: "policy";
  /**
   * Executes the action. One run of a policy is in progress at a time. After an error, or a change of the leader, the next one
   * has to complete it.
   * @throws any error: it is recorded as a failure of the policy
   */
  execute(settings: S, run: PolicyRun, context: PolicyActionContext): Promise<void>;
  /** Returns what it adds to the status of the policy. @param nextMs when the policy is due next */
  status?(
    settings: S,
    policy: Policy,
    context: Pick<PolicyActionContext, "retention">,
    nextMs: number,
  ): Pick<PolicyStatus, "retention">;
}

export type Action<S = never> = PodAction<S> | PolicyAction<S>;
