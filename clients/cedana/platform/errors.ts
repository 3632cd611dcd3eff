import { NoResponseError, retryAfterMs, type HttpResponse, type Outcome } from "../../../http";
import { errorMessageIn, printable, UnexpectedResponseError } from "../response";

export const PLATFORM_OPERATIONS = ["list", "create", "update", "delete"] as const;
/** An operation on policies. */
export type PlatformOperation = (typeof PLATFORM_OPERATIONS)[number];

/** A failed request to the platform. `message` is the platform's own, without secrets, at most 1,024 characters. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";

  constructor(
    readonly operation: PlatformOperation,
    message: string,
    readonly outcome: Outcome,
    /** HTTP status, if there was a response. */
    readonly status?: number,
    /** How long the platform asks to wait. */
    readonly retryAfterMs?: number,
  ) {
    super(printable(message));
  }

  /** Whether the platform rejected the content of the request: not the sender, nor the rate of requests. */
  get isRejection(): boolean {
    const { outcome, status } = this;
    return outcome === "refused" && status !== undefined && ![401, 403, 408, 429].includes(status);
  }
}

/** Statuses of a proxy between client and platform. The platform may have executed the request. */
const PROXY_STATUS = [502, 503, 504];

/**
 * Returns the error of a response other than 2xx. Redirects are not followed: the token is for one server.
 * @param token removed from the message if a server repeats it
 */
export function statusError(
  operation: PlatformOperation,
  { status, headers, body }: HttpResponse,
  token: string,
): PlatformError {
  const outcome = status < 500 ? "refused" : PROXY_STATUS.includes(status) ? "unknown" : "failed";
  const isRedirect = status >= 300 && status < 400;
  const detail = isRedirect
    ? `redirected to ${headers.location ?? "nowhere"}, which is not followed`
    : errorMessageIn(body.toString("utf8")).trim();
  const message = detail === "" ? `HTTP ${status}` : `HTTP ${status}: ${detail.replaceAll(token, "***")}`;
  const waitMs = retryAfterMs(headers["retry-after"], Date.now());
  return new PlatformError(operation, message, outcome, status, waitMs);
}

/** Returns the error of a request without a complete or documented response; any other error unchanged. */
export function platformError(operation: PlatformOperation, error: unknown): unknown {
  if (error instanceof UnexpectedResponseError) return new PlatformError(operation, error.message, "unknown");
  if (error instanceof NoResponseError) return new PlatformError(operation, error.message, error.outcome);
  return error;
}
