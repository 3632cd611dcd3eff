import type { IncomingMessage } from "node:http";
import { retryAfterMs, type Json } from "../../http";
import { textAt } from "./json";

/** Fields of a `Status` besides its message. */
export interface StatusDetails {
  /** Such as `Conflict`, `Expired`, `Invalid`; missing if a proxy responded. */
  readonly reason?: string;
  /** How long to wait before the next attempt, if the response names it. */
  readonly retryAfterMs?: number;
  /** In a 410 for a page of a list: token of the same page without the expired snapshot. */
  readonly continuation?: string;
}

/** An error response of the API server, with the fields of its `Status`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly reason?: string;
  readonly retryAfterMs?: number;
  readonly continuation?: string;

  constructor(
    /** HTTP status. */
    readonly status: number,
    message: string,
    details: StatusDetails = {},
  ) {
    super(message);
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.continuation = details.continuation;
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
export function isRejected(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status >= 400 && error.status < 500;
}

/** Checks whether the API server rejected the request for good: a busy one (429) accepts it later. */
export function isFinal(error: unknown): error is ApiError {
  return isRejected(error) && !hasStatus(error, 429);
}

/** Checks whether the API server no longer has the history to continue from. */
export function isExpired(error: unknown): boolean {
  return hasStatus(error, 410);
}

/** Returns the error for a response: with the message of its `Status`, or only with the HTTP status. */
export function errorOf(response: Pick<IncomingMessage, "statusCode" | "headers">, text: string): ApiError {
  const status = response.statusCode ?? 0;
  const { message, reason, continuation } = statusIn(text);
  return new ApiError(status, message ?? `HTTP ${status}`, {
    reason,
    continuation,
    retryAfterMs: retryAfterMs(response.headers["retry-after"], Date.now()),
  });
}

function statusIn(text: string): StatusDetails & { readonly message?: string } {
  try {
    const json = JSON.parse(text) as Json;
    return {
      message: textAt(json, "message") || undefined,
      reason: textAt(json, "reason") || undefined,
      continuation: textAt(json, "metadata", "continue") || undefined,
    };
  } catch {
    // Not a Status: a response of a proxy in between.
    return {};
  }
}
