import { RegistryError } from "./error";
import type { Answer } from "./exchange";

/** What kind of remedy there is for what registries refuse most. */
const REMEDIES: Readonly<Record<number, string>> = {
  401: "give credentials for it",
  403: "the account may not push there",
  404: "there is no such repository, or the account may not see it",
  413: "the registry takes no layer of this size",
};

/** The error that an answer is. */
export function refusalOf(
  operation: string,
  where: string,
  { status, headers, body }: Answer,
): RegistryError {
  const { code, message } = errorIn(body);
  const remedy = REMEDIES[status];
  const said = [message, remedy && `(${remedy})`].filter(Boolean).join(" ");
  return new RegistryError(operation, where, said, { status, code, retryAfterMs: retryAfter(headers) });
}

/** The first error of the specification's list, else the text itself. */
function errorIn(body: Buffer): { readonly code?: string; readonly message: string } {
  const text = body.toString("utf8");
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const { code, message } = errors?.[0] ?? {};
    if (typeof code === "string" || typeof message === "string") {
      return {
        ...(typeof code === "string" ? { code } : {}),
        message: typeof message === "string" ? message : "",
      };
    }
  } catch {
    // A proxy in between answered.
  }
  return { message: /<html|<!doctype/i.test(text) ? "a page of HTML: this is not the registry" : text };
}

/** Retry-After is seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(headers: Answer["headers"]): number | undefined {
  const value = headers["retry-after"];
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}
