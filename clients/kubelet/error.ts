import type { Outcome } from "../manager";

export interface KubeletErrorDetails {
  /** HTTP status, where there was an answer. */
  readonly status?: number;
  /** `refused`: nothing was done. `failed`: the kubelet says that it failed. `unknown`: nobody can say what came of it. */
  readonly outcome: Outcome;
  /** Whether the same request may succeed when it is sent again. A checkpoint twice does no harm: the container runs on. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** A request to a kubelet that did not succeed. What the kubelet said is in the message, cut at 1,024 characters. */
export class KubeletError extends Error {
  override readonly name = "KubeletError";
  readonly status?: number;
  readonly outcome: Outcome;
  readonly retryable: boolean;

  constructor(message: string, { status, outcome, retryable, cause }: KubeletErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.outcome = outcome;
    this.retryable = retryable;
  }
}
