import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { RECORD, TEMPORARY, parentsOf } from "./paths";
import type { Plan } from "./plan";
import { formatRecord, mergeRecords } from "./record";

/** Stack trace limit that cdktf sets for a whole stack. Node.js captures errors with 10 frames, debuggers with 100. */
const WHOLE_STACK = 10_000;

/**
 * Creates and synthesizes stacks without the stack traces that cdktf captures for each token but never prints. Capturing them
 * takes half of the time of a synth with many node groups (docs/performance.md). Stack traces of errors do not change.
 */
export function withoutCreationStacks<T>(work: () => T): T {
  // oxlint-disable-next-line typescript/unbound-method -- a static function of V8 that does not use `this`
  const capture = Error.captureStackTrace;
  Error.captureStackTrace = (target, below) => {
    if (Error.stackTraceLimit < WHOLE_STACK) capture(target, below);
  };
  try {
    return work();
  } finally {
    Error.captureStackTrace = capture;
  }
}

/**
 * Executes a plan, one complete file at a time. The record is written first with the old and
 * the new hashes: after a run that stopped early, the next one still knows which files are managed.
 */
export function write(dir: string, { changes, record, earlier }: Plan): void {
  mkdirSync(dir, { recursive: true });
  const temporary = mkdtempSync(join(dir, TEMPORARY));
  try {
    const replace = (path: string, text: string): void => {
      const file = join(temporary, "file");
      writeFileSync(file, text);
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      renameSync(file, join(dir, path));
    };
    if (changes.length > 0) replace(RECORD, formatRecord(mergeRecords(earlier ?? record, record)));
    const removed = changes.filter(({ kind }) => kind === "remove").map(({ path }) => path);
    for (const path of removed) rmSync(join(dir, path), { force: true });
    removeEmptyDirectories(dir, removed);
    for (const change of changes) if (change.kind !== "remove") replace(change.path, change.after);
    replace(RECORD, formatRecord(record));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Removes the temporary directories of runs that were killed. */
export function removeLeftovers(dir: string): void {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    if (name.startsWith(TEMPORARY)) rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** Removes the directories that the removed files leave empty, the deepest first. */
function removeEmptyDirectories(dir: string, removed: readonly string[]): void {
  const directories = new Set(removed.flatMap(parentsOf));
  for (const path of [...directories].toSorted((a, b) => b.length - a.length)) {
    try {
      rmdirSync(join(dir, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT" && code !== "ENOTDIR") throw error;
    }
  }
}
