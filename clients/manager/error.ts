/** What is asked of the manager. */
export type ManagerOperation =
  | "ping"
  | "list"
  | "checkpoint"
  | "restore"
  | "checkpoint rootfs"
  | "checkpoint rootfs (CRI-O)"
  | "restore rootfs";

/**
 * What is known of a request that did not succeed.
 * - `refused`: nothing was done: it did not leave, or was answered 3xx or 4xx.
 * - `failed`: the manager tried and says that it failed.
 * - `unknown`: it left, and nobody can say what came of it: no answer, not all of it, one that makes no sense, or one of
 *   a proxy in between (502, 503, 504).
 */
export type Outcome = "refused" | "failed" | "unknown";

export interface ManagerErrorDetails {
  /** HTTP status, where there was an answer. */
  readonly status?: number;
  readonly outcome: Outcome;
  /** Whether the same request may be sent again without being done twice, and may then succeed. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** A request to the manager that did not succeed. `message` is what the manager said, as said, cut at 1,024 characters. */
export class ManagerError extends Error {
  override readonly name = "ManagerError";
  readonly status?: number;
  readonly outcome: Outcome;
  readonly retryable: boolean;

  constructor(
    readonly operation: ManagerOperation,
    message: string,
    { status, outcome, retryable, cause }: ManagerErrorDetails,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.outcome = outcome;
    this.retryable = retryable;
  }
}
