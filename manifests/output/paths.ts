import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";

/** One reason why a directory cannot be written, or only with `force`. */
export interface OutputProblem {
  /** `force` overrules `edited-file` and `unmanaged-file` only. */
  readonly code:
    | "edited-file"
    | "unmanaged-file"
    | "owner-mismatch"
    | "path-conflict"
    | "symbolic-link"
    | "invalid-path"
    | "invalid-record";
  /** Path of the file, relative to the directory. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** Thrown before anything is written, with every problem. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(
    /** The directory, as given. */
    readonly dir: string,
    readonly problems: readonly OutputProblem[],
  ) {
    const lines = problems.map(({ path, message, remedy }) => `  ${path}  ${message}; ${remedy}`);
    super(`${dir}: nothing was written\n${lines.join("\n")}`);
  }
}

/** Checks whether `force` overrules the problem. */
export function isForceable({ code }: OutputProblem): boolean {
  return code === "edited-file" || code === "unmanaged-file";
}

/** Prefix of this module's own files in the root of a directory. */
const RESERVED = ".cedana-cdk";
/** The list of managed files with their hashes. */
export const RECORD = `${RESERVED}-files`;
/** Prefix of the directory in which a run writes new files before it renames them. */
export const TEMPORARY = `${RESERVED}.tmp-`;

/** Returns the problems of the paths themselves, each alone and with the others. */
export function checkPaths(paths: Iterable<string>): OutputProblem[] {
  const problems: OutputProblem[] = [];
  const byLowerCase = new Map<string, string>();
  const reject = (path: string, message: string) =>
    problems.push({
      code: "invalid-path",
      path: JSON.stringify(path),
      message,
      remedy: "use another path for the file",
    });
  for (const path of paths) {
    const defect = defectOf(path);
    if (defect !== undefined) reject(path, defect);
    const twin = byLowerCase.get(path.toLowerCase());
    if (twin !== undefined) reject(path, `differs from ${twin} only in case`);
    byLowerCase.set(path.toLowerCase(), path);
  }
  for (const path of byLowerCase.values()) {
    const file = parentsOf(path).find((parent) => byLowerCase.has(parent.toLowerCase()));
    if (file !== undefined) reject(path, `is below ${file}, which is a file`);
  }
  return problems;
}

/** Returns what makes a path unusable or unsafe, if anything. */
export function defectOf(path: string): string | undefined {
  if (/[\\\p{Cc}\p{Surrogate}]/u.test(path)) return "has a character that a path must not have";
  const segments = path.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "is absolute, or has an empty, . or .. segment";
  }
  if (segments.some((segment) => Buffer.byteLength(segment) > 255))
    return "has a segment of more than 255 bytes";
  if (segments[0]?.toLowerCase().startsWith(RESERVED)) return `has the reserved prefix ${RESERVED}`;
  return undefined;
}

/** Returns `a` and `a/b` for `a/b/c.yaml`. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) parents.push(path.slice(0, at));
  return parents;
}

/** Returns what is at a path without following a link; undefined if there is nothing or a parent is a file. */
export function statAt(dir: string, path: string): Stats | undefined {
  try {
    return lstatSync(join(dir, path), { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}
