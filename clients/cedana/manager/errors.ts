import { NoResponseError, type HttpResponse, type Outcome } from "../../../http";
import { errorMessageIn, printable, UnexpectedResponseError } from "../response";

export type ManagerOperation =
  | "checkpoint"
  | "restore"
  | "checkpoint rootfs"
  | "checkpoint rootfs (CRI-O)"
  | "restore rootfs";

export interface ManagerErrorDetails {
  /** HTTP status, if there was a response. */
  readonly status?: number;
  readonly outcome: Outcome;
  /** Whether the request was not sent, so that it can be repeated. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** A failed request to the manager. `message` is the manager's own, truncated to 1,024 characters. */
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

/** Statuses of a gateway or mesh between client and manager. The manager may have received the request. */
const PROXY_STATUS = [502, 503, 504];

/** Returns the error for a response other than 2xx. */
export function statusError(
  operation: ManagerOperation,
  { status, headers, body }: HttpResponse,
): ManagerError {
  if (status >= 300 && status < 400) {
    const message = `HTTP ${status}: redirected to ${headers.location ?? "nowhere"}, which is not followed`;
    const details = { status, outcome: "refused", retryable: false } as const;
    return new ManagerError(operation, printable(message), details);
  }
  const outcome = status < 500 ? "refused" : PROXY_STATUS.includes(status) ? "unknown" : "failed";
  const message = printable(errorMessageIn(body.toString("utf8")).trim()) || `HTTP ${status}`;
  return new ManagerError(operation, message, { status, outcome, retryable: false });
}

/** Returns the error for a request without a complete response; any other error unchanged. */
export function noResponseError(operation: ManagerOperation, error: unknown): unknown {
  if (!(error instanceof NoResponseError)) return error;
  const { message, outcome, sent, cause } = error;
  return new ManagerError(operation, printable(message), { outcome, retryable: !sent, cause });
}

/** Returns the error for a 2xx response with undocumented content; any other error unchanged. */
export function unexpectedResponse(operation: ManagerOperation, error: unknown, status: number): unknown {
  if (!(error instanceof UnexpectedResponseError)) return error;
  const details = { status, outcome: "unknown", retryable: false } as const;
  return new ManagerError(operation, printable(error.message), details);
}
