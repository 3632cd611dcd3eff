/** Names of files by pattern, as Go's filepath.Glob finds them, which containerd uses for its imports. */
import { nameMatcher } from "../../config/glob";

/** Returns the existing paths that an absolute pattern matches: those of each directory by name. @throws Error for a pattern that Go rejects: containerd does not start with it */
export async function glob(
  pattern: string,
  list: (directory: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  let found: readonly string[] = [""];
  let isPattern = false;
  for (const part of pattern.split("/").slice(1)) {
    const matches = nameMatcher(part);
    isPattern ||= /[*?[\\]/.test(part);
    // Below a directory that was found, a name without a pattern must exist as well.
    const namesIn = async (directory: string) =>
      isPattern ? (await list(directory === "" ? "/" : directory)).filter(matches).toSorted() : [part];
    const below: string[] = [];
    for (const directory of found)
      below.push(...(await namesIn(directory)).map((name) => `${directory}/${name}`));
    found = below;
  }
  return found;
}
