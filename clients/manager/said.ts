import { maskSecrets } from "../../config/schema";

const MAX_LENGTH = 1024;

/**
 * What an error's body says: the text of its `message` or `error`, else the body itself; without control characters and
 * what looks like a secret, cut at 1,024 characters.
 */
export function saidIn(body: string): string {
  return bounded(textOf(body).trim());
}

/** Without control characters and what looks like a secret, cut at 1,024 characters. */
export function bounded(text: string): string {
  const clean = maskSecrets(text.slice(0, 4 * MAX_LENGTH)).replaceAll(/[\p{Cc}\p{Cs}]+/gu, " ");
  return clean.length > MAX_LENGTH ? `${clean.slice(0, MAX_LENGTH - 1)}…` : clean;
}

function textOf(body: string): string {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return body;
  }
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null) return body;
  const { message, error } = json as { message?: unknown; error?: unknown };
  const text = [message, error].find((value) => typeof value === "string" && value !== "");
  return typeof text === "string" ? text : body;
}
