import { maskSecrets } from "../../../config/schema";
import type { Json } from "../../../http";

/** A response with a 2xx status and undocumented content. */
export class UnexpectedResponseError extends Error {
  override readonly name = "UnexpectedResponseError";
}

const MAX_LENGTH = 1024;

/** Returns the text without control characters and secrets, truncated to 1,024 characters. */
export function printable(text: string): string {
  const clean = maskSecrets(text.slice(0, 4 * MAX_LENGTH)).replaceAll(/[\p{Cc}\p{Cs}]+/gu, " ");
  return clean.length > MAX_LENGTH ? `${clean.slice(0, MAX_LENGTH - 1)}…` : clean;
}

/** Returns the `message` or `error` of an error's body, else the body itself. */
export function errorMessageIn(body: string): string {
  const json = parsedOrText(body);
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null) return body;
  const { message, error } = json as { message?: unknown; error?: unknown };
  const text = [message, error].find((value) => typeof value === "string" && value !== "");
  return typeof text === "string" ? text : body;
}

/** Returns the parsed JSON of a body; the body itself if it is not JSON. */
export function parsedOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Returns a text without the quotes that some servers put around a JSON string. */
export function unquoted(json: Json | undefined): string | undefined {
  if (typeof json !== "string") return undefined;
  const text = json.trim().replaceAll(/^["']+|(?<!["'])["']+$/g, "");
  return text === "" ? undefined : text;
}
