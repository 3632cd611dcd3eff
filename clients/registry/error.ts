import { maskSecrets } from "../../config/schema";

export interface RegistryErrorDetails {
  /** HTTP status; missing where no answer came. */
  readonly status?: number;
  /** Code of the distribution specification: `DENIED`, `NAME_UNKNOWN`, ... */
  readonly code?: string;
  /** How long the registry asks to be left alone. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** What a registry refuses, or that it does not answer. Says what was tried, where, the status and what the registry said. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly status?: number;
  readonly code?: string;
  readonly retryAfterMs?: number;

  constructor(
    /** Such as `upload of a blob`. */
    readonly operation: string,
    /** `host/repository`. */
    readonly where: string,
    said: string,
    { status, code, retryAfterMs, cause }: RegistryErrorDetails = {},
  ) {
    const answer = [status, code, oneLine(said)]
      .filter((part) => part !== undefined && part !== "")
      .join(" ");
    super(`${operation} at ${where}: ${answer}`, { cause });
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same may succeed a little later: no answer, or one that says so. */
  get passing(): boolean {
    if (this.status === undefined) return true;
    // A registry forgets an upload that it has moved to another of its instances, or that has lain too long.
    if (this.code === "BLOB_UPLOAD_UNKNOWN" || this.code === "BLOB_UPLOAD_INVALID") return true;
    return [408, 416, 429].includes(this.status) || (this.status >= 500 && this.status !== 501);
  }
}

/** A registry's words as part of a line: no control characters, nothing with the shape of a secret, 300 characters. */
function oneLine(text: string): string {
  const plain = maskSecrets(text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim());
  return plain.length > 300 ? `${plain.slice(0, 297)}...` : plain;
}
