/** Expressions in CEL that the admission policies share. */

/** Returns a string in CEL. */
export const text = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** Returns a list of strings in CEL. */
export const list = (texts: readonly string[]) => `[${texts.map(text).join(", ")}]`;

/** Returns the field at the path, as an optional value: each step may be missing. */
export const optionalAt = (root: string, path: readonly string[]) =>
  [root, ...path.map((name) => `?${name}`)].join(".");

/** Returns the map at the path, empty if it is missing. */
export const mapAt = (root: string, path: readonly string[]) => `${optionalAt(root, path)}.orValue({})`;

/** Returns the map at the path before the change, empty if the object is new. */
export const mapBefore = (path: readonly string[]) =>
  `request.operation == 'UPDATE' ? ${mapAt("oldObject", path)} : {}`;

/**
 * Tests whether two maps are equal, apart from some keys.
 * @param now, before expressions of the maps
 */
export function equalExcept(now: string, before: string, keys: readonly string[]): string {
  const within = (one: string, other: string) =>
    `${one}.all(key, key in ${list(keys)} || (key in ${other} && ${one}[key] == ${other}[key]))`;
  return `${within(now, before)} && ${within(before, now)}`;
}

/** Tests whether the fields of the object are those that it had before. A field may be missing. */
export function unchanged(paths: readonly (readonly string[])[]): string {
  return paths
    .map((path) => `${optionalAt("object", path)} == ${optionalAt("oldObject", path)}`)
    .join(" && ");
}
