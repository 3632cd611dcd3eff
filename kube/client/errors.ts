import type { IncomingMessage } from "node:http";

/** Fields of a `Status` besides its message. */
export interface StatusDetails {
  /** Such as `Conflict`, `Expired`, `Invalid`; missing if a proxy responded. */
  readonly reason?: string;
  /** How long to wait before the next attempt, if the response names it. */
  readonly retryAfterMs?: number;
}

/** An error response of the API server, with the fields of its `Status`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly reason?: string;
  readonly retryAfterMs?: number;

  constructor(
    /** HTTP status. */
    readonly status: number,
    message: string,
    details: StatusDetails = {},
  ) {
    super(message);
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Checks whether the error is a response with one of the HTTP statuses. */
export function hasStatus(error: unknown, ...statuses: readonly number[]): error is ApiError {
  return error instanceof ApiError && statuses.includes(error.status);
}

/** Checks whether the object, kind or namespace does not exist. */
export function isNotFound(error: unknown): boolean {
  return hasStatus(error, 404);
}

/** Checks whether the object was changed or deleted since it was read, so that it must be read again. */
export function isOutdated(error: unknown): boolean {
  return hasStatus(error, 404, 409);
}

/** Checks whether a JSON patch did not apply: one of its tests failed, or the object was changed or deleted. */
export function isTestFailed(error: unknown): boolean {
  return hasStatus(error, 404, 409, 422);
}

/** Checks whether the API server rejected the request, and so did not execute it. */
export function isRejected(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500;
}

/** Checks whether the API server no longer has the history to continue from. */
export function isExpired(error: unknown): boolean {
  return hasStatus(error, 410);
}

/** Returns the error for a response: with the message of its `Status`, or only with the HTTP status. */
export function errorOf(response: Pick<IncomingMessage, "statusCode" | "headers">, text: string): ApiError {
  const status = response.statusCode ?? 0;
  const { message, reason } = statusIn(text);
  return new ApiError(status, message ?? `HTTP ${status}`, {
    reason,
    retryAfterMs: retryAfterMs(response.headers["retry-after"], Date.now()),
  });
}

/** Reads the header Retry-After (RFC 9110, 10.2.3): seconds or a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  // One that no timer can wait for is none.
  if (/^\d+$/.test(header)) return finite(Number(header) * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}

function statusIn(text: string): { readonly message?: string; readonly reason?: string } {
  try {
    const { message, reason } = JSON.parse(text) as { message?: unknown; reason?: unknown };
    return {
      message: typeof message === "string" && message !== "" ? message : undefined,
      reason: typeof reason === "string" && reason !== "" ? reason : undefined,
    };
  } catch {
    // Not a Status: a response of a proxy in between.
    return {};
  }
}
