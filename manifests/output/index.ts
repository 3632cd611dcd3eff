/**
 * Trees of text files, written to disk so that a repository can be kept in step: files of others are left alone, files
 * that are no longer made are removed, nothing is written if nothing changed, and an interrupted run does no harm.
 * @module cedana-cdk/output
 */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { commit, recover } from "./commit";
import { OutputError, isForceable } from "./errors";
import { withLock } from "./lock";
import { RECORD, STAGING } from "./paths";
import type { Change, Plan } from "./plan";
import { plan } from "./plan";
import { formatRecord } from "./record";

export { withoutCreationStacks } from "./creation-stacks";
export { OutputError, type OutputProblem } from "./errors";
export { RECORD } from "./paths";
export type { Change } from "./plan";

export interface WriteOptions {
  /**
   * Whether to overwrite files that were edited by hand, or that were not written by this owner.
   * @default false
   */
  readonly force?: boolean;
  /**
   * How long to wait, in milliseconds, for another process that writes the same folder.
   * @default 10000
   */
  readonly waitMs?: number;
}

export interface WriteReport {
  /** Paths added or changed, in order of the tree. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
}

/** What `writeTree` would do. */
export interface TreeDiff {
  readonly changes: readonly Change[];
  /** Why it would refuse. */
  readonly problems: OutputError["problems"];
}

/**
 * Makes the folder hold these files, and no longer those that an earlier run of the same owner wrote. What was written
 * is kept in the folder's `.cedana-cdk-files`, which belongs into git with the rest.
 *
 * New files are written beside and renamed when all are there: a run that fails or is interrupted leaves the folder as
 * it was. Killed during the renames, it leaves whole files, and the next run finishes them. Files that are as they
 * shall be are not touched.
 * @param files Path with slashes, from `dir`, and text.
 * @param owner Who writes, for instance `cedana-cdk synth`: two programs do not share a folder. One line.
 * @throws OutputError with all that is in the way, before anything is written.
 */
export function writeTree(
  dir: string,
  files: ReadonlyMap<string, string>,
  owner: string,
  options: WriteOptions = {},
): WriteReport {
  checkArguments(dir, owner);
  mkdirSync(dir, { recursive: true });
  return withLock(dir, options.waitMs ?? 10_000, () => {
    recover(dir);
    const planned = plan(dir, files, owner);
    const inTheWay = planned.problems.filter((problem) => !options.force || !isForceable(problem));
    if (inTheWay.length > 0) throw new OutputError(dir, inTheWay);
    if (planned.changes.length > 0 || !hasRecord(dir, planned)) commit(dir, planned);
    return report(planned);
  });
}

/** Finishes a run that was killed while it renamed; else does nothing. */
export function finishInterrupted(dir: string, { waitMs = 10_000 }: WriteOptions = {}): void {
  if (!existsSync(join(dir, STAGING))) return;
  withLock(dir, waitMs, () => recover(dir));
}

/** Compares the folder with these files, as `writeTree` would find it; writes nothing and waits for nobody. */
export function diffTree(dir: string, files: ReadonlyMap<string, string>, owner: string): TreeDiff {
  checkArguments(dir, owner);
  const { changes, problems } = plan(dir, files, owner);
  return { changes, problems };
}

function checkArguments(dir: string, owner: string): void {
  if (!/^[^\p{Cc}]+$/u.test(owner)) throw new RangeError("the owner of a tree is one line of text");
  if (isBlocked(dir)) {
    const remedy = "move it away, or choose another folder";
    throw new OutputError(dir, [
      { code: "in-the-way", path: ".", message: "is or lies in a file, not a folder", remedy },
    ]);
  }
}

/** Whether a file lies where the folder or one above it shall be. */
function isBlocked(dir: string): boolean {
  try {
    return statSync(dir, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return true;
    throw error;
  }
}

function hasRecord(dir: string, { record }: Plan): boolean {
  try {
    return readFileSync(join(dir, RECORD), "utf8") === formatRecord(record);
  } catch {
    return false;
  }
}

function report({ changes, unchanged }: Plan): WriteReport {
  return {
    written: changes.filter((change) => change.kind !== "remove").map((change) => change.path),
    removed: changes.filter((change) => change.kind === "remove").map((change) => change.path),
    unchanged,
  };
}
