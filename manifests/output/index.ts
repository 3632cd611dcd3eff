/**
 * Writes files to a directory of a repository. Keeps unmanaged files, removes managed files that are no longer generated, and
 * writes nothing if nothing changed.
 * @module cedana-cdk/output
 */
import { OutputError, isForceable } from "./paths";
import type { Change, Plan } from "./plan";
import { plan } from "./plan";
import { removeLeftovers, write } from "./write";

export { withoutCreationStacks } from "./write";
export { OutputError, type OutputProblem, RECORD } from "./paths";
export type { Change } from "./plan";

export interface WriteOptions {
  /**
   * Overwrites and removes files that were edited by hand, and overwrites unmanaged files.
   * @default false
   */
  readonly force?: boolean;
}

export interface WriteReport {
  /** Paths of added and changed files, in the order of the input. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
}

/** The result of `diffTree`. */
export interface TreeDiff {
  /** What `writeTree` would change. */
  readonly changes: readonly Change[];
  /** Why `writeTree` would write nothing. */
  readonly problems: OutputError["problems"];
}

/**
 * Writes these files to a directory, and removes files of earlier runs that are no longer among them. Keeps unmanaged files. The
 * file `.cedana-cdk-files` in the directory lists the managed files; commit it with the others.
 *
 * Each file is written under a temporary name and then renamed. A run that fails or is killed leaves only complete files, and the
 * next run finishes its work. Unchanged files are not rewritten. Do not run it twice at the same time.
 * @param files Text by path. Paths have slashes and are relative to `dir`.
 * @param owner Name of the writer, such as `cedana-cdk from ../../cedana.yaml`. One line. A directory of another owner is an error.
 * @throws OutputError with every problem, before anything is written
 */
export function writeTree(
  dir: string,
  files: ReadonlyMap<string, string>,
  owner: string,
  options: WriteOptions = {},
): WriteReport {
  const planned = checkedPlan(dir, files, owner, options);
  const { changes, problems, unchanged } = planned;
  if (problems.length > 0) throw new OutputError(dir, problems);
  removeLeftovers(dir);
  if (changes.length > 0 || planned.isRecordStale) write(dir, planned);
  return {
    written: changes.filter(({ kind }) => kind !== "remove").map(({ path }) => path),
    removed: changes.filter(({ kind }) => kind === "remove").map(({ path }) => path),
    unchanged,
  };
}

/** Compares a directory with these files as `writeTree` does. Writes nothing. */
export function diffTree(
  dir: string,
  files: ReadonlyMap<string, string>,
  owner: string,
  options: WriteOptions = {},
): TreeDiff {
  const { changes, problems } = checkedPlan(dir, files, owner, options);
  return { changes, problems };
}

function checkedPlan(
  dir: string,
  files: ReadonlyMap<string, string>,
  owner: string,
  { force = false }: WriteOptions,
): Plan {
  if (!/^[^\p{Cc}]+$/u.test(owner)) throw new RangeError("the owner must be one line of text");
  const planned = plan(dir, files, owner);
  return { ...planned, problems: planned.problems.filter((problem) => !force || !isForceable(problem)) };
}
