import type { Problem, PropertyPath } from "../schema/problem";

/** Variables of a container that the install sets itself. */
export function ownVariables(
  path: PropertyPath,
  given: Readonly<Record<string, string>>,
  own: ReadonlySet<string>,
): Problem[] {
  return Object.keys(given)
    .filter((name) => own.has(name))
    .map((name) => ({
      code: "variable-is-set-already",
      path: [...path, name],
      message: "is set by the install itself",
      remedy: "leave it out, or use the property of engine or install that stands for it",
    }));
}
