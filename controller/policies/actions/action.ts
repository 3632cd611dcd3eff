import type { Client } from "../../../kube";
import type { ActionLimits, Run } from "../core/types";

export interface ActionContext {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly signal: AbortSignal;
}

/** Why an action cannot be executed. It is not tried again. */
export class ActionError extends Error {
  override readonly name = "ActionError";

  /** @param reason machine-readable, in CamelCase */
  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** What is done with a pod that is due. `S` is the type of its settings in `spec.action`. */
export interface Action<S = never> extends ActionLimits {
  /**
   * Executes the action. It may be called again for the same run, after an error or by the next leader.
   * @returns `open` if it created a Checkpoint with the run's key: the run then ends with the Checkpoint. `later` if it must wait
   *   for something, and is executed again until the run's deadline. `ended` otherwise
   * @throws ActionError if it cannot be executed; any other error: it is retried until the run's deadline, unless the API server
   *   rejected the request
   */
  execute(
    settings: S,
    run: Run,
    context: ActionContext,
  ): Promise<"open" | "ended" | { readonly later: string }>;
}
