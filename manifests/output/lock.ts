import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { OutputError } from "./errors";
import { LOCK } from "./paths";

interface Holder {
  readonly pid: number;
  readonly host: string;
}

/** How long a lock without a readable holder may be one that is just being written. */
const YOUNG_MS = 5000;
const POLL_MS = 20;

/**
 * Runs the work while no other process writes the tree. Waits for one that does; a lock whose process is gone is taken
 * over.
 * @throws OutputError if the other is not done after `waitMs`.
 */
export function withLock<T>(dir: string, waitMs: number, work: () => T): T {
  const lock = join(dir, LOCK);
  const deadline = Date.now() + waitMs;
  while (!taken(lock)) {
    const seen = readLock(lock);
    if (seen === undefined) continue;
    if (isStale(lock, seen)) takeAway(lock, seen);
    else if (Date.now() >= deadline) throw heldError(dir, seen);
    else sleep(POLL_MS);
  }
  try {
    return work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function taken(lock: string): boolean {
  const holder: Holder = { pid: process.pid, host: hostname() };
  try {
    writeFileSync(lock, JSON.stringify(holder), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readLock(lock: string): string | undefined {
  try {
    return readFileSync(lock, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function holderOf(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

function isStale(lock: string, text: string): boolean {
  const holder = holderOf(text);
  if (!holder) {
    const written = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    return written !== undefined && Date.now() - written > YOUNG_MS;
  }
  if (holder.host !== hostname()) return false;
  // Nothing here is asynchronous: a lock with our own number was left by an earlier process with the same one.
  if (holder.pid === process.pid) return true;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** By a rename, which only one process can win; a lock that had been renewed meanwhile is put back. */
function takeAway(lock: string, seen: string): void {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
    if (readFileSync(aside, "utf8") !== seen) linkSync(aside, lock);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  }
  rmSync(aside, { force: true });
}

function heldError(dir: string, text: string): OutputError {
  const holder = holderOf(text);
  const who = holder ? `process ${holder.pid} on ${holder.host}` : "another process";
  const message = `says that ${who} is writing this folder`;
  const remedy = "wait for it, or remove the file if there is no such process";
  return new OutputError(dir, [{ code: "locked", path: LOCK, message, remedy }]);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
