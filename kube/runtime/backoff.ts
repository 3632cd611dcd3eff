/** How delays grow after failures in a row. */
export interface BackoffOptions {
  /** After the first failure. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** Share of the delay that is random, 0 to 1: keeps clients that failed together from coming back together. */
  readonly jitter: number;
}

/** Doubles with each failure, up to a most. */
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

/** @param failures so far: 0 gives `baseMs` */
export function exponential(baseMs: number, maxMs: number, failures: number): number {
  return Math.min(maxMs, baseMs * 2 ** failures);
}

/** Waits; returns at once when the signal is given. Never throws. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
  });
}
