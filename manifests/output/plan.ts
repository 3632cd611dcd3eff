import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { OutputError, RECORD, checkPaths, parentsOf, statAt, type OutputProblem } from "./paths";
import type { TreeRecord } from "./record";
import { formatRecord, readRecord, sha256 } from "./record";

/** One file that differs. */
export type Change =
  | { readonly kind: "add"; readonly path: string; readonly after: string }
  | { readonly kind: "change"; readonly path: string; readonly before: string; readonly after: string }
  | { readonly kind: "remove"; readonly path: string; readonly before: string };

export interface Plan {
  readonly changes: readonly Change[];
  readonly problems: readonly OutputProblem[];
  readonly unchanged: readonly string[];
  /** The record of this run. */
  readonly record: TreeRecord;
  /** The record of the run before. */
  readonly earlier?: TreeRecord;
  readonly isRecordStale: boolean;
}

/**
 * Compares a directory with the files that it must hold. Writes nothing.
 * @throws OutputError if there is no directory to compare with: a file in its place, or a damaged record
 */
export function plan(dir: string, files: ReadonlyMap<string, string>, owner: string): Plan {
  const record = { owner, files: new Map([...files].map(([path, text]) => [path, [sha256(text)]])) };
  const pathProblems = checkPaths(files.keys());
  if (pathProblems.length > 0) return rejectedPlan(record, pathProblems);
  if (isBelowFile(dir)) throw new OutputError(dir, [NOT_A_DIRECTORY]);
  const earlier = readRecord(dir);
  if (earlier && earlier.owner !== owner) return rejectedPlan(record, [ownerMismatch(earlier.owner)]);

  const changes: Change[] = [];
  const problems: OutputProblem[] = [];
  const unchanged: string[] = [];
  const removed = new Set<string>();
  for (const [path, hashes] of earlier?.files ?? []) {
    // A directory or a link that replaced the managed file is unmanaged.
    if (files.has(path) || linkOn(dir, path) !== undefined || !statAt(dir, path)?.isFile()) continue;
    const data = readFileSync(join(dir, path));
    if (!hashes.includes(sha256(data))) problems.push(editedFile(path, "removed"));
    changes.push({ kind: "remove", path, before: data.toString("utf8") });
    removed.add(path);
  }
  for (const [path, after] of files) {
    const conflict = conflictAt(dir, path, removed);
    if (conflict) {
      if (!problems.some((problem) => problem.path === conflict.path)) problems.push(conflict);
      continue;
    }
    if (!statAt(dir, path)?.isFile()) {
      changes.push({ kind: "add", path, after });
      continue;
    }
    const data = readFileSync(join(dir, path));
    const hash = sha256(data);
    if (record.files.get(path)?.includes(hash)) {
      unchanged.push(path);
      continue;
    }
    const recorded = earlier?.files.get(path);
    if (!recorded) problems.push(unmanagedFile(path));
    else if (!recorded.includes(hash)) problems.push(editedFile(path, "overwritten"));
    changes.push({ kind: "change", path, before: data.toString("utf8"), after });
  }
  const isRecordStale = earlier === undefined || formatRecord(earlier) !== formatRecord(record);
  return { changes, problems, unchanged, record, earlier, isRecordStale };
}

function rejectedPlan(record: TreeRecord, problems: readonly OutputProblem[]): Plan {
  return { changes: [], problems, unchanged: [], record, isRecordStale: false };
}

const NOT_A_DIRECTORY: OutputProblem = {
  code: "path-conflict",
  path: ".",
  message: "is or is below a file",
  remedy: "move the file away, or use another directory",
};

/** Checks whether the directory is a file, or is below one. */
function isBelowFile(dir: string): boolean {
  try {
    return statSync(dir, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return true;
    throw error;
  }
}

/** Returns the first symbolic link at the path or above it. */
function linkOn(dir: string, path: string): string | undefined {
  return [...parentsOf(path), path].find((at) => statAt(dir, at)?.isSymbolicLink());
}

/** Returns the conflict that prevents a write: a link, a directory or a file that stays. */
function conflictAt(dir: string, path: string, removed: ReadonlySet<string>): OutputProblem | undefined {
  const remedy = "move it away";
  const link = linkOn(dir, path);
  if (link !== undefined) return { code: "symbolic-link", path: link, message: "is a symbolic link", remedy };
  const parent = parentsOf(path).find((at) => statAt(dir, at)?.isDirectory() === false && !removed.has(at));
  if (parent !== undefined)
    return { code: "path-conflict", path: parent, message: "is not a directory", remedy };
  const existing = statAt(dir, path);
  if (!existing || existing.isFile() || (existing.isDirectory() && isEmptied(dir, path, removed)))
    return undefined;
  const message = existing.isDirectory() ? "is a directory with files that stay" : "is not a regular file";
  return { code: "path-conflict", path, message, remedy };
}

/** Checks whether every file below is removed. An empty directory is unmanaged and stays. */
function isEmptied(dir: string, directory: string, removed: ReadonlySet<string>): boolean {
  const entries = readdirSync(join(dir, directory), { withFileTypes: true });
  const isRemoved = (path: string, isDirectory: boolean) =>
    isDirectory ? isEmptied(dir, path, removed) : removed.has(path);
  return (
    entries.length > 0 &&
    entries.every((entry) => isRemoved(`${directory}/${entry.name}`, entry.isDirectory()))
  );
}

function ownerMismatch(owner: string): OutputProblem {
  const remedy = `use another directory (output.directory in the platform file), or delete ${RECORD} if the owner was only renamed`;
  return { code: "owner-mismatch", path: ".", message: `was written by ${owner}`, remedy };
}

function editedFile(path: string, fate: "removed" | "overwritten"): OutputProblem {
  const remedy = "make the edit in the input, or discard it with --force";
  return { code: "edited-file", path, message: `was edited by hand and would be ${fate}`, remedy };
}

function unmanagedFile(path: string): OutputProblem {
  const remedy = "move it away, or overwrite it with --force";
  return { code: "unmanaged-file", path, message: "exists and was not written by an earlier run", remedy };
}
