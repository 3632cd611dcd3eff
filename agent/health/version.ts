/** The first numbers of a version: `6.1.0-13-amd64` is [6, 1, 0]. Undefined if it begins with none. */
export function versionIn(text: string): readonly number[] | undefined {
  const found = /^v?(\d+(?:\.\d+)*)/.exec(text);
  return found?.[1]?.split(".").map(Number);
}

/** Whether a version is the other one or later; numbers that are not there count as 0. */
export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (let at = 0; at < Math.max(version.length, least.length); at++) {
    const difference = (version[at] ?? 0) - (least[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
