import * as v from "./valibot";

/**
 * A thing that exists already, told by a key that only its form has, or else one to make. Problems are those of the form that
 * the key decides on: whoever writes `existingBucket` wants to hear nothing of the properties of new buckets.
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
