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
