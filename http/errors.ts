/**
 * Outcome of a failed request.
 * - `refused`: the server did not execute it: it was not sent, or the response was 3xx or 4xx.
 * - `failed`: the server executed it and reports a failure.
 * - `unknown`: it was sent, but no response shows whether the server executed it.
 */
export type Outcome = "refused" | "failed" | "unknown";

/** Reports that no complete response was received. */
export class NoResponseError extends Error {
  override readonly name = "NoResponseError";
  /** Code of the system error, such as `ECONNREFUSED`. */
  readonly code?: string;

  constructor(
    message: string,
    /** Whether any part of the request may have reached the server. */
    readonly sent: boolean,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code;
  }

  get outcome(): Outcome {
    return this.sent ? "unknown" : "refused";
  }
}

/** Reports that the source of a request's body failed. A retry would fail the same way. */
export class RequestBodyError extends Error {
  override readonly name = "RequestBodyError";

  constructor(override readonly cause: unknown) {
    super("the request's body cannot be read");
  }
}

/** Returns an error's message. Node joins the errors of several addresses under an empty message. */
export function messageOf(error: unknown): string {
  const {
    message,
    errors = [],
    code,
  } = Object(error) as {
    message?: string;
    errors?: readonly unknown[];
    code?: string;
  };
  return message || errors.map(messageOf).join("; ") || (code ?? String(error));
}
