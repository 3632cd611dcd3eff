/** What a `Status` says besides its message. */
export interface StatusDetails {
  /** Such as `Conflict`, `Expired`, `Invalid`; missing where something other than the API server answered. */
  readonly reason?: string;
  /** How long to wait before asking again, if the answer names it. */
  readonly retryAfterMs?: number;
}

/** Answer of an API server that is no success: Kubernetes' own `Status`, where it sent one. */
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
