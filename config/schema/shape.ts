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

/** An input with more unknown keys is another file, not a misspelt one; reporting all of them takes seconds. */
const MAX_UNKNOWN = 200;

/**
 * Returns the schema of an object with exactly these properties. It reports every unknown key, up to 200; valibot's own
 * strictObject stops at the first.
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

/**
 * Returns the schema of several alternatives. If none matches, it reports the problems of the closest one only: a user who
 * wrote `{ initail: 2 }` meant one alternative, not three.
 */
export function oneOf<const O extends readonly v.GenericSchema[]>(options: O): v.UnionSchema<O, undefined> {
  const union = v.union(options);
  return {
    ...union,
    "~run"(dataset, config) {
      const results = options.map((option) => option["~run"]({ ...dataset }, config));
      const met = results.find((result) => !result.issues);
      if (met) return met;
      const within = results.filter((result) =>
        result.issues?.every((issue) => (issue.path?.length ?? 0) > 0),
      );
      return (
        within.toSorted((a, b) => distance(a.issues) - distance(b.issues))[0] ??
        union["~run"](dataset, config)
      );
    },
  };
}

/** An unknown key counts more than any number of missing ones: `{ id }` is the start of the alternative that has an id. */
function distance(issues: readonly v.BaseIssue<unknown>[] = []): number {
  const unknown = issues.filter(({ requirement }) => isUnknownKey(requirement)).length;
  return unknown * 1000 + issues.length;
}

function isUnknownKey(requirement: unknown): boolean {
  return typeof requirement === "object" && requirement !== null && "known" in requirement;
}

/**
 * Returns the schema of two alternatives, of which only the first has `key`. The key selects the alternative whose problems
 * are reported: with `existingBucket` given, the properties of new buckets are irrelevant.
 */
export function givenOrNew<const G extends v.GenericSchema, const N extends v.GenericSchema>(
  key: string,
  given: G,
  created: N,
): v.UnionSchema<[N, G], undefined> {
  const union = v.union([created, given]);
  return {
    ...union,
    "~run"(dataset, config) {
      const input = dataset.value;
      if (typeof input !== "object" || input === null || Array.isArray(input)) {
        return union["~run"](dataset, config);
      }
      return (key in input ? given : created)["~run"](dataset, config);
    },
  };
}
