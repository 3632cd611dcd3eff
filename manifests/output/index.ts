/**
 * Writes files to a directory that is kept in a repository: unmanaged files stay, managed files that are no longer made are
 * removed, and nothing is written if nothing changed.
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
  /** Why `writeTree` would refuse. */
  readonly problems: OutputError["problems"];
}

/**
 * Makes a directory hold exactly these files, beside unmanaged ones, and removes the files of earlier runs that are no longer
 * among them. The managed files are recorded in `.cedana-cdk-files` in the directory; commit it with the rest.
 *
 * Each file is written under a temporary name and renamed. A run that fails or is killed leaves complete files, some of
 * them new, and the next run finishes. Unchanged files are not rewritten. Do not run two at the same time.
 * @param files Text by path. Paths have slashes and are relative to `dir`.
 * @param owner Name of the writer, such as `cedana-cdk from ../../cedana.yaml`. One line. Another owner's directory is refused.
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
