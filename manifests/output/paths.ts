import type { Stats } from "node:fs";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { OutputProblem } from "./errors";

/** The files of our own in the root of a tree; all begin so. */
export const RESERVED = ".cedana-cdk";
/** What was written, with hashes. Belongs into git: it is how the next run knows what to remove. */
export const RECORD = `${RESERVED}-files`;
/** Where new files lie before they are renamed into place. */
export const STAGING = `${RESERVED}.tmp`;
export const LOCK = `${RESERVED}.lock`;

/** What is wrong with the paths themselves, wherever they shall lie. */
export function checkPaths(paths: Iterable<string>): OutputProblem[] {
  const problems: OutputProblem[] = [];
  const byLowerCase = new Map<string, string>();
  for (const path of paths) {
    const wrong = wrongIn(path);
    if (wrong !== undefined) problems.push(refusal(path, wrong));
    const twin = byLowerCase.get(path.toLowerCase());
    if (twin !== undefined) problems.push(refusal(path, `differs from ${twin} by case alone`));
    byLowerCase.set(path.toLowerCase(), path);
  }
  for (const path of byLowerCase.values()) {
    const folder = parentsOf(path).find((parent) => byLowerCase.has(parent.toLowerCase()));
    if (folder !== undefined)
      problems.push(refusal(path, `lies in ${folder}, which is a file of the same tree`));
  }
  return problems;
}

function wrongIn(path: string): string | undefined {
  if (/[\\\p{Cc}\p{Surrogate}]/u.test(path)) return "has a character that a path must not have";
  const segments = path.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "leads outside of the tree or is not written plainly";
  }
  if (segments.some((segment) => Buffer.byteLength(segment) > 255))
    return "has a name of more than 255 bytes";
  if (segments[0]?.toLowerCase().startsWith(RESERVED)) return `is kept for ${RESERVED} itself`;
  return undefined;
}

function refusal(path: string, message: string): OutputProblem {
  return { code: "path", path: JSON.stringify(path), message, remedy: "give the file another path" };
}

/** `a/b/c.yaml`: `a`, `a/b`. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) parents.push(path.slice(0, at));
  return parents;
}

/** What lies at a path, the link itself if it is one; undefined if nothing does, or one of its folders is a file. */
export function look(dir: string, path: string): Stats | undefined {
  try {
    return lstatSync(join(dir, path), { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The folder above a path that is a symbolic link: what is written there would lie somewhere else. */
export function linkAbove(dir: string, path: string): string | undefined {
  return parentsOf(path).find((parent) => look(dir, parent)?.isSymbolicLink());
}
