import type { Json, JsonObject } from "../client";

export type { Json, JsonObject };

/** Readers of raw JSON. Each takes the names on the way and gives undefined, or nothing, where the way ends early. */
export function at(json: Json | undefined, ...way: readonly string[]): Json | undefined {
  let value = json;
  for (const name of way) {
    if (!isObject(value)) return undefined;
    value = Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

/** The text there, or undefined if there is none or something else. */
export function textAt(json: Json | undefined, ...way: readonly string[]): string | undefined {
  const value = at(json, ...way);
  return typeof value === "string" ? value : undefined;
}

/** The number there, or undefined if there is none or something else. */
export function numberAt(json: Json | undefined, ...way: readonly string[]): number | undefined {
  const value = at(json, ...way);
  return typeof value === "number" ? value : undefined;
}

/** Whether `true` is there. */
export function isTrueAt(json: Json | undefined, ...way: readonly string[]): boolean {
  return at(json, ...way) === true;
}

/** The items of the list there. */
export function itemsAt(json: Json | undefined, ...way: readonly string[]): readonly Json[] {
  const value = at(json, ...way);
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** The texts of the map there, such as labels. */
export function textsAt(json: Json | undefined, ...way: readonly string[]): Readonly<Record<string, string>> {
  const value = at(json, ...way);
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
