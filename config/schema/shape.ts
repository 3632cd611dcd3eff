import * as v from "./valibot";

/** Requirement of the issue of an unknown key, with the known keys. */
export interface UnknownKey {
  readonly code: "unknown-key";
  readonly known: readonly string[];
}

/** Requirement of the issue of a value that is not a mapping, with the keys of the mapping. */
export interface NotAMapping {
  readonly keys: readonly string[];
}

/** Checks whether a value is a mapping: an object that is not a list. */
export function isMapping(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** Returns the schema of a mapping with free keys. It rejects lists; valibot's own record accepts them, with their indexes as keys. */
export function mapping<
  const K extends v.BaseSchema<string, string, v.BaseIssue<unknown>>,
  const S extends v.GenericSchema,
>(key: K, value: S): v.RecordSchema<K, S, undefined> {
  const record = v.record(key, value);
  return {
    ...record,
    "~run"(dataset, config) {
      if (!Array.isArray(dataset.value)) return record["~run"](dataset, config);
      v._addIssue(record, "type", dataset, config);
      return dataset as never;
    },
  };
}

/** Maximum number of reported unknown keys. An input with more is a different file, and reporting all takes seconds. */
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
      if (!isMapping(input)) {
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
          path: [{ type: "object", origin: "key", input, key, value }],
        });
      }
      return result;
    },
  };
  return schema;
}

/**
 * Returns the schema of several alternatives. If none matches, it reports only the problems of the closest one: a user who
 * wrote `{ initail: 2 }` meant one alternative, not three.
 */
export function oneOf<const O extends readonly v.GenericSchema[]>(options: O): v.UnionSchema<O, undefined> {
  const union = v.union(options);
  return {
    ...union,
    "~run"(dataset, config) {
      const results = options.map((option) => option["~run"]({ ...dataset }, config));
      const match = results.find((result) => !result.issues);
      if (match) return match;
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

/** Returns the distance of an input from an alternative. One unknown key weighs more than all missing keys. */
function distance(issues: readonly v.BaseIssue<unknown>[] = []): number {
  const unknown = issues.filter(({ requirement }) => isUnknownKey(requirement)).length;
  return unknown * 1000 + issues.length;
}

function isUnknownKey(requirement: unknown): boolean {
  return typeof requirement === "object" && requirement !== null && "known" in requirement;
}

/**
 * Returns the schema of an existing resource that the user names or a new one that the toolkit creates. Only the existing
 * one has `key`. The key selects the alternative whose problems are reported: with `existingBucket` set, the properties of
 * new buckets are irrelevant.
 */
export function existingOrNew<const G extends v.GenericSchema, const N extends v.GenericSchema>(
  key: string,
  existing: G,
  created: N,
): v.UnionSchema<[N, G], undefined> {
  const union = v.union([created, existing]);
  return {
    ...union,
    "~run"(dataset, config) {
      const input = dataset.value;
      const isExisting = typeof input === "object" && input !== null && key in input;
      return (isExisting ? existing : created)["~run"](dataset, config);
    },
  };
}
