import type { Outcome } from "../../http";

export interface KubeletErrorDetails {
  /** HTTP status, where there was a response. */
  readonly status?: number;
  readonly outcome: Outcome;
  /** Whether a retry may succeed. A second checkpoint does no harm: the container keeps running. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** A request to a kubelet that did not succeed. The message includes the kubelet's own, cut at 1,024 characters. */
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
