import * as v from "./valibot";

/** Marks the issue of a key that the object does not have, and carries those it has. */
export interface UnknownKey {
  readonly code: "unknown-key";
  readonly known: readonly string[];
}

/** Carries the properties that a mapping would have, where there is none. */
export interface NotAMapping {
  readonly keys: readonly string[];
}

/** A mapping with more unknown keys is no misspelt input but another file; telling all of them takes seconds. */
const MAX_UNKNOWN = 200;

/**
 * An object with exactly these properties. Unlike valibot's own strictObject, which stops at the first, it reports
 * every unknown key, up to 200 of them.
 */
export function shape<const E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, undefined> {
  const strict = v.strictObject(entries);
  const loose = v.looseObject(entries);
  const known = Object.keys(entries);
  const schema: typeof strict = {
    ...strict,
    "~run"(dataset, config) {
      const input = dataset.value;
      if (typeof input !== "object" || input === null || Array.isArray(input)) {
        const requirement: NotAMapping = { keys: known };
        v._addIssue({ ...strict, requirement }, "type", dataset, config);
        return dataset as never;
      }
      const result = loose["~run"](dataset, config);
      const output = result.value as Record<string, unknown>;
      const unknown = Object.entries(input).filter(([key]) => !Object.hasOwn(entries, key));
      for (const [key] of unknown) delete output[key];
      for (const [key, value] of unknown.slice(0, MAX_UNKNOWN)) {
        const requirement: UnknownKey = { code: "unknown-key", known };
        v._addIssue({ ...strict, requirement }, "key", result, config, {
          input: key,
          expected: "never",
          path: [{ type: "object", origin: "key", input: input as Record<string, unknown>, key, value }],
        });
      }
      return result;
    },
  };
  return schema;
}
