import { maskSecrets } from "../../config/schema";
import { retryAfterMs, type HttpResponse } from "../../http";

export interface RegistryErrorDetails {
  /** HTTP status, if there was a response. */
  readonly status?: number;
  /** Code of the distribution specification: `DENIED`, `NAME_UNKNOWN`, ... */
  readonly code?: string;
  /** How long to wait before a retry, if the registry names it. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** Remedies for the statuses that registries use most. */
const REMEDIES: Readonly<Record<number, string>> = {
  401: "provide credentials for it",
  403: "allow it to the account",
  405: "enable deletion in the registry",
  404: "create the repository, or allow the account to see it",
  413: "choose a registry that accepts larger layers",
};

/** A request that a registry rejected or did not respond to: operation, repository, status, reason and remedy. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly status?: number;
  readonly code?: string;
  readonly retryAfterMs?: number;
  /** The registry's own message, as one line. */
  readonly reason: string;
  readonly remedy?: string;

  constructor(
    /** Such as `upload of a blob`. */
    readonly operation: string,
    /** `host/repository`. */
    where: string,
    reason: string,
    { status, code, retryAfterMs, cause }: RegistryErrorDetails = {},
  ) {
    const line = oneLine(reason);
    const remedy = status === undefined ? undefined : REMEDIES[status];
    const parts = [status, code, line, remedy && `(${remedy})`].filter(Boolean);
    super(`${operation} at ${where}: ${parts.join(" ")}`, { cause });
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.reason = line;
    this.remedy = remedy;
  }

  /** Whether a retry may succeed: there was no response, or a temporary failure. */
  get retryable(): boolean {
    if (this.status === undefined) return true;
    // A registry loses an upload when another of its instances gets the next request, or when it expires.
    if (this.code === "BLOB_UPLOAD_UNKNOWN" || this.code === "BLOB_UPLOAD_INVALID") return true;
    return [408, 416, 429].includes(this.status) || (this.status >= 500 && this.status !== 501);
  }
}

/** Returns the error for a response that reports one. */
export function responseError(
  operation: string,
  where: string,
  { status, headers, body }: HttpResponse,
): RegistryError {
  const { code, message } = errorIn(body.toString("utf8"));
  const waitMs = retryAfterMs(headers["retry-after"], Date.now());
  return new RegistryError(operation, where, message, { status, code, retryAfterMs: waitMs });
}

/** A code of the specification: letters, digits and underscores. Any other text would be a part of the message. */
const CODE = /^\w{1,64}$/;

/** Returns the first error of the specification's list, else the text itself. */
function errorIn(text: string): { readonly code?: string; readonly message: string } {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const { code: named, message } = errors?.[0] ?? {};
    const code = typeof named === "string" && CODE.test(named) ? named : undefined;
    if (code !== undefined || typeof message === "string") {
      return {
        ...(code === undefined ? {} : { code }),
        message: typeof message === "string" ? message : "",
      };
    }
  } catch {
    // Not a response of the registry, but of a proxy.
  }
  return { message: /<html|<!doctype/i.test(text) ? "an HTML page: this is not the registry" : text };
}

/** Characters of a response that are read for a message: the rest is truncated anyway. */
const MAX_READ = 16_384;

/** Returns a text as one line without control characters and secrets, truncated to 300 characters. */
function oneLine(text: string): string {
  const plain = maskSecrets(
    text
      .slice(0, MAX_READ)
      .replaceAll(/[\p{Cc}\s]+/gu, " ")
      .trim(),
  );
  return plain.length > 300 ? `${plain.slice(0, 297)}...` : plain;
}
