import { hasStatus, isRejected } from "./client/errors";
import { NotLeaderError } from "./election/fenced";
import type { Logger } from "./log";

/** How delays grow after failures in a row. */
export interface BackoffOptions {
  /** After the first failure. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** Random share of the delay, 0 to 1: spreads clients that failed together. */
  readonly jitter: number;
}

/** Doubles the delay with each failure, up to a maximum. */
export class Backoff {
  private failures = 0;

  constructor(private readonly options: BackoffOptions) {}

  /** Counts a failure. @returns ms to wait */
  next(): number {
    const { baseMs, maxMs, jitter } = this.options;
    const delay = exponential(baseMs, maxMs, this.failures++);
    return delay * (1 - jitter * Math.random());
  }

  reset(): void {
    this.failures = 0;
  }
}

interface Delay {
  readonly untilMs: number;
  readonly attempts: number;
  /** Whether an earlier attempt is useless. */
  readonly blocking: boolean;
}

/**
 * Doubles delays per key. A blocking delay must pass before the next attempt (after a failure); a polling delay may be cut
 * short by a change of the object (while something else is not ready).
 */
export class PerKeyBackoff {
  private readonly delays = new Map<string, Delay>();

  constructor(
    private readonly baseMs: number,
    private readonly maxMs: number,
  ) {}

  /** Checks whether the key polls, or its blocking delay has not passed. */
  isWaiting(key: string, now: number): boolean {
    const delay = this.delays.get(key);
    return delay !== undefined && (!delay.blocking || delay.untilMs > now);
  }

  /** Returns the rest of a blocking delay, ms. */
  remainingMs(key: string, now: number): number {
    const delay = this.delays.get(key);
    return delay?.blocking ? Math.max(0, delay.untilMs - now) : 0;
  }

  /** Counts a failure. @returns ms until the next attempt */
  block(key: string, now: number): number {
    return this.delay(key, now, true);
  }

  /** Counts a poll, unless the last delay has not passed. @returns ms until the next poll */
  poll(key: string, now: number): number {
    return this.delay(key, now, false);
  }

  /** Ends polling; a blocking delay stays. */
  endPolling(key: string): void {
    if (this.delays.get(key)?.blocking === false) this.delays.delete(key);
  }

  reset(key: string): void {
    this.delays.delete(key);
  }

  private delay(key: string, now: number, blocking: boolean): number {
    const { attempts, untilMs } = this.delays.get(key) ?? { attempts: 0, untilMs: 0 };
    if (!blocking && untilMs > now) return untilMs - now;
    const ms = exponential(this.baseMs, this.maxMs, attempts);
    this.delays.set(key, { untilMs: now + ms, attempts: attempts + 1, blocking });
    return ms;
  }
}

/** Returns the delay after a number of earlier failures. 0 gives `baseMs`. */
export function exponential(baseMs: number, maxMs: number, failures: number): number {
  return Math.min(maxMs, baseMs * 2 ** failures);
}

/** Waits until the time has passed or the signal, if there is one, is aborted. Never throws. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake);
  });
}

const WRITE = { baseMs: 250, maxMs: 5000 } as const;

/**
 * Retries a write until the API server has stored it, however long it is unavailable.
 * @throws the error if a retry is useless (the API server rejects the write, or the lease is lost) or the signal is aborted
 */
export async function retryUntilWritten<T>(
  log: Pick<Logger, "warn">,
  signal: AbortSignal,
  write: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (isRejected(error) || error instanceof NotLeaderError || signal.aborted) throw error;
      log.warn({ err: error, attempt }, "not written yet");
      await sleep(exponential(WRITE.baseMs, WRITE.maxMs, attempt), signal);
    }
  }
}

/** Attempts before a conflict is thrown. */
const ATTEMPTS = 5;

/**
 * Writes an object, and again after each conflict (409, or 422 for a failed test of a JSON patch), at most 5 times.
 *
 * @param write one attempt
 * @param refresh reads the object again before the next attempt; returns false if it was deleted
 * @returns the result of `write`, or undefined if the object was deleted
 * @throws what `write` throws, also the last conflict
 */
export async function retryOnConflict<R>(
  write: () => Promise<R>,
  refresh: () => Promise<boolean>,
): Promise<R | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      if (!hasStatus(error, 409, 422) || attempt === ATTEMPTS) throw error;
    }
    if (!(await refresh())) return undefined;
  }
}
