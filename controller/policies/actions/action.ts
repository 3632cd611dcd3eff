import type { Client } from "../../../kube";
import type { Run } from "../core/types";

export interface ActionContext {
  /** Writes only while this process leads. */
  readonly client: Pick<Client, "create">;
  readonly signal: AbortSignal;
}

/** What is done with a pod that is due. `S` is the type of its settings in `spec.action`. */
export interface Action<S = never> {
  /**
   * Executes the action. It may be called again for the same run, after an error or by the next leader.
   * @returns `open` if it created a Checkpoint with the run's key: the run then ends with the Checkpoint. `ended` otherwise
   * @throws any error: it is retried until the run's deadline, unless the API server rejected the request
   */
  execute(settings: S, run: Run, context: ActionContext): Promise<"open" | "ended">;
}
