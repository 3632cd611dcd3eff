import * as v from "./valibot";

/**
 * One of several forms. When none fits, the problems told are those of the form that was most nearly met, not all of
 * them: a user who wrote `{ initail: 2 }` meant one form, not three.
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

/** An unknown key tells more than any number of missing ones: `{ id }` alone is the start of the form that has an id. */
function distance(issues: readonly v.BaseIssue<unknown>[] = []): number {
  const unknown = issues.filter(({ requirement }) => isUnknownKey(requirement)).length;
  return unknown * 1000 + issues.length;
}

function isUnknownKey(requirement: unknown): boolean {
  return typeof requirement === "object" && requirement !== null && "known" in requirement;
}
