/**
 * What is known about a request that did not succeed.
 * - `refused`: the server did nothing: the request was not sent, or the response was 3xx or 4xx.
 * - `failed`: the server tried and reports that it failed.
 * - `unknown`: the request was sent, and no response says whether it was carried out.
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
