import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plan } from "./plan";
import { RECORD, STAGING, checkPaths, linkAbove, look, parentsOf } from "./paths";
import { formatRecord } from "./record";

/** What is left to do once all new files lie in the staging folder. Doing it twice does no harm. */
interface Journal {
  readonly remove: readonly string[];
  /** The n-th is the staged file named n. */
  readonly write: readonly string[];
}

const JOURNAL = "journal.json";

/**
 * Brings the tree into the planned state. Until all is staged the tree is as it was; what is left then are renames,
 * which Ctrl-C does not interrupt and which the next run finishes if a kill does.
 */
export function commit(dir: string, { changes, record }: Plan): void {
  const staging = join(dir, STAGING);
  const files: [string, string][] = changes.flatMap((change) =>
    change.kind === "remove" ? [] : [[change.path, change.after]],
  );
  files.push([RECORD, formatRecord(record)]);
  const journal: Journal = {
    remove: changes.filter((change) => change.kind === "remove").map((change) => change.path),
    write: files.map(([path]) => path),
  };
  try {
    mkdirSync(staging);
    for (const [index, [, text]] of files.entries()) writeFileSync(join(staging, String(index)), text);
    writeFileSync(join(staging, "journal"), JSON.stringify(journal));
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    throw error;
  }
  withoutInterruption(() => {
    renameSync(join(staging, "journal"), join(staging, JOURNAL));
    apply(dir, journal);
  });
}

/** Finishes what an interrupted run had begun to put into place; forgets what it had only staged. */
export function recover(dir: string): void {
  const journal = readJournal(dir);
  if (journal) apply(dir, journal);
  else rmSync(join(dir, STAGING), { recursive: true, force: true });
}

/** A journal may have come with a repository: one that would reach out of the tree is none. */
function readJournal(dir: string): Journal | undefined {
  if (!look(dir, STAGING)?.isDirectory() || !look(dir, `${STAGING}/${JOURNAL}`)?.isFile()) return undefined;
  const { remove, write } = JSON.parse(readFileSync(join(dir, STAGING, JOURNAL), "utf8")) as Partial<Journal>;
  const isList = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((path) => typeof path === "string");
  if (!isList(remove) || !isList(write)) return undefined;
  const theirs = [...remove, ...write].filter((path) => path !== RECORD);
  return theirs.every((path) => checkPaths([path]).length === 0) ? { remove, write } : undefined;
}

function apply(dir: string, { remove, write }: Journal): void {
  for (const path of remove) {
    // The second time, a folder of the new tree may lie there already.
    if (linkAbove(dir, path) === undefined && look(dir, path)?.isFile()) rmSync(join(dir, path));
  }
  const folders = new Set(remove.flatMap(parentsOf));
  for (const folder of [...folders].toSorted((a, b) => b.length - a.length)) removeIfEmpty(join(dir, folder));
  for (const [index, path] of write.entries()) {
    const staged = join(dir, STAGING, String(index));
    if (!existsSync(staged) || linkAbove(dir, path) !== undefined) continue;
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    renameSync(staged, join(dir, path));
  }
  rmSync(join(dir, STAGING), { recursive: true, force: true });
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT" && code !== "ENOTDIR") throw error;
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A handler, even one that does nothing, keeps the signal from ending the process; all here is synchronous. */
function withoutInterruption(work: () => void): void {
  const ignore = (): void => undefined;
  for (const signal of SIGNALS) process.on(signal, ignore);
  try {
    work();
  } finally {
    for (const signal of SIGNALS) process.off(signal, ignore);
  }
}
