import { exponential } from "../backoff";
import type { Metrics, QueueMetrics } from "../metrics";

export interface WorkQueueOptions {
  /** Label of its metrics. */
  readonly name: string;
  readonly metrics: Pick<Metrics, "queue">;
  /** Delay after a key's first failure. Default: 5 (client-go). */
  readonly baseDelayMs?: number;
  /** Default: 1,000,000 (client-go). */
  readonly maxDelayMs?: number;
}

interface Later {
  readonly at: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Keys to reconcile, with controller-runtime's semantics: a key that waits is not added twice; a key that is being
 * reconciled is never handed to a second worker, but handed out once more after it is done if it was added meanwhile.
 */
export class WorkQueue {
  /** Keys that wait, or wait for their own reconcile to end. */
  private readonly dirty = new Map<string, number>();
  /** Keys with a worker, and since when (ms). */
  private readonly processing = new Map<string, number>();
  /** Keys that wait, in order. */
  private readonly ready = new Set<string>();
  private readonly later = new Map<string, Later>();
  private readonly failures = new Map<string, number>();
  private readonly waiting: ((key: string | undefined) => void)[] = [];
  private readonly metrics: QueueMetrics;
  private readonly baseDelayMs: number;
  private readonly maxDelayMs: number;
  private shuttingDown = false;

  constructor(options: WorkQueueOptions) {
    this.baseDelayMs = options.baseDelayMs ?? 5;
    this.maxDelayMs = options.maxDelayMs ?? 1_000_000;
    this.metrics = options.metrics.queue(options.name, {
      depth: () => this.length,
      workingSeconds: () => [...this.processing.values()].map((since) => (Date.now() - since) / 1000),
    });
  }

  /** Keys that wait for a worker; not those that are to be added later. */
  get length(): number {
    return this.ready.size;
  }

  /** Takes in a key at once. Does nothing after `shutDown`. */
  add(key: string): void {
    if (this.shuttingDown) return;
    this.cancel(key);
    if (this.dirty.has(key)) return;
    this.dirty.set(key, Date.now());
    this.metrics.added();
    if (!this.processing.has(key)) this.offer(key);
  }

  /** Takes in a key after so long. Of several times for one key the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.shuttingDown) return;
    if (!(ms > 0)) return this.add(key);
    const at = Date.now() + ms;
    const planned = this.later.get(key);
    if (planned && planned.at <= at) return;
    this.cancel(key);
    // A longer delay than a timer can hold would fire at once.
    const timer = setTimeout(() => this.add(key), Math.min(ms, LONGEST_TIMER_MS));
    this.later.set(key, { at, timer });
  }

  /** Takes in a key that failed, after its own backoff. */
  addRateLimited(key: string): void {
    if (this.shuttingDown) return;
    const failures = this.failures.get(key) ?? 0;
    this.failures.set(key, failures + 1);
    this.metrics.retried();
    this.addAfter(key, exponential(this.baseDelayMs, this.maxDelayMs, failures));
  }

  /** Starts the key's backoff anew: it succeeded. */
  forget(key: string): void {
    this.failures.delete(key);
  }

  /**
   * The next key, which is the caller's until `done`.
   * @returns undefined once the queue is shut down and nothing waits
   */
  get(): Promise<string | undefined> {
    const [key] = this.ready;
    if (key !== undefined) return Promise.resolve(this.take(key));
    if (this.shuttingDown) return Promise.resolve(undefined);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Must follow each `get` that gave a key. */
  done(key: string): void {
    const since = this.processing.get(key);
    if (since === undefined) return;
    this.processing.delete(key);
    this.metrics.worked((Date.now() - since) / 1000);
    if (this.dirty.has(key)) this.offer(key);
  }

  /** Takes in nothing more, drops what was to be added later. What waits is still handed out. */
  shutDown(): void {
    this.shuttingDown = true;
    for (const { timer } of this.later.values()) clearTimeout(timer);
    this.later.clear();
    for (const resolve of this.waiting.splice(0)) resolve(undefined);
  }

  private offer(key: string): void {
    this.ready.add(key);
    const resolve = this.waiting.shift();
    if (resolve) resolve(this.take(key));
  }

  private take(key: string): string {
    const now = Date.now();
    this.metrics.waited((now - (this.dirty.get(key) ?? now)) / 1000);
    this.ready.delete(key);
    this.dirty.delete(key);
    this.processing.set(key, now);
    return key;
  }

  private cancel(key: string): void {
    clearTimeout(this.later.get(key)?.timer);
    this.later.delete(key);
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
