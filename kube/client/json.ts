import { isObject, type Json } from "../../http";

/** Returns the value at a path of field names, or undefined where the path ends early. */
export function at(json: Json | undefined, ...path: readonly string[]): Json | undefined {
  let value = json;
  for (const name of path) {
    if (!isObject(value)) return undefined;
    value = Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

/** Returns the string at the path, or undefined if there is none. */
export function textAt(json: Json | undefined, ...path: readonly string[]): string | undefined {
  const value = at(json, ...path);
  return typeof value === "string" ? value : undefined;
}

/** Returns the number at the path, or undefined if there is none. */
export function numberAt(json: Json | undefined, ...path: readonly string[]): number | undefined {
  const value = at(json, ...path);
  return typeof value === "number" ? value : undefined;
}

/** Checks whether `true` is at the path. */
export function isTrueAt(json: Json | undefined, ...path: readonly string[]): boolean {
  return at(json, ...path) === true;
}

/** Returns the items of the list at the path, or none. */
export function itemsAt(json: Json | undefined, ...path: readonly string[]): readonly Json[] {
  const value = at(json, ...path);
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** Returns the strings of the map at the path, such as labels. */
export function textsAt(
  json: Json | undefined,
  ...path: readonly string[]
): Readonly<Record<string, string>> {
  const value = at(json, ...path);
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** One operation of a JSON patch (RFC 6902). */
export interface JsonPatchOperation {
  readonly op: "add" | "remove" | "replace" | "test";
  /** JSON pointer: `/metadata/annotations/cedana.ai~1operation`. */
  readonly path: string;
  readonly value?: unknown;
}

/** Returns a JSON pointer to the field at these names. */
export function pointer(...names: readonly (string | number)[]): string {
  return names.map((name) => `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
