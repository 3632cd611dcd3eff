import { exponential } from "../backoff";
import type { ControllerMetrics, Metrics, QueueMetrics, ReconcileResult } from "../metrics";
import type { Logger } from "../log";
import { Turn } from "../turn";
import { FairKeys } from "./fair-keys";

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
 * Queue of keys to reconcile, with the semantics of controller-runtime: a waiting key is not added twice. A key whose reconcile
 * is in progress is not given to a second worker; if it is added meanwhile, it is reconciled again afterwards. Namespaces take
 * turns.
 */
export class WorkQueue {
  /** Keys to reconcile, also those whose reconcile is in progress, and since when (ms). */
  private readonly dirty = new Map<string, number>();
  /** Keys with a worker, and since when (ms). */
  private readonly processing = new Map<string, number>();
  /** Waiting keys, in order. */
  private readonly ready = new FairKeys();
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

  /** Number of keys that wait for a worker, without delayed ones. */
  get length(): number {
    return this.ready.size;
  }

  /** Adds a key without a delay. Does nothing after `shutDown`. */
  add(key: string): void {
    if (this.shuttingDown) return;
    this.cancel(key);
    if (this.dirty.has(key)) return;
    this.dirty.set(key, Date.now());
    this.metrics.added();
    if (!this.processing.has(key)) this.offer(key);
  }

  /** Adds a key after a delay. If a key has several delays, the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.shuttingDown) return;
    if (!(ms > 0)) return this.add(key);
    const at = Date.now() + ms;
    const planned = this.later.get(key);
    if (planned && planned.at <= at) return;
    this.cancel(key);
    // A timer with a longer delay would fire immediately.
    const timer = setTimeout(() => this.add(key), Math.min(ms, LONGEST_TIMER_MS));
    this.later.set(key, { at, timer });
  }

  /** Adds a key that failed, after its backoff. */
  addRateLimited(key: string): void {
    if (this.shuttingDown) return;
    const failures = this.failures.get(key) ?? 0;
    this.failures.set(key, failures + 1);
    this.metrics.retried();
    this.addAfter(key, exponential(this.baseDelayMs, this.maxDelayMs, failures));
  }

  /** Resets the key's backoff: it succeeded. */
  forget(key: string): void {
    this.failures.delete(key);
  }

  /**
   * Returns the next key, which belongs to the caller until `done`.
   * @returns undefined once the queue is shut down and empty
   */
  get(): Promise<string | undefined> {
    const key = this.ready.shift();
    if (key !== undefined) return Promise.resolve(this.take(key));
    if (this.shuttingDown) return Promise.resolve(undefined);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Ends the reconcile of a key. Must follow each `get` that returned one. */
  done(key: string): void {
    const since = this.processing.get(key);
    if (since === undefined) return;
    this.processing.delete(key);
    this.metrics.worked((Date.now() - since) / 1000);
    if (this.dirty.has(key)) this.offer(key);
  }

  /** Rejects further keys and drops delayed ones. Keys in the queue are still returned. */
  shutDown(): void {
    this.shuttingDown = true;
    for (const { timer } of this.later.values()) clearTimeout(timer);
    this.later.clear();
    for (const resolve of this.waiting.splice(0)) resolve(undefined);
  }

  private offer(key: string): void {
    const resolve = this.waiting.shift();
    // A worker waits only if no key does.
    if (resolve) resolve(this.take(key));
    else this.ready.add(key);
  }

  private take(key: string): string {
    const now = Date.now();
    this.metrics.waited((now - (this.dirty.get(key) ?? now)) / 1000);
    this.dirty.delete(key);
    this.processing.set(key, now);
    return key;
  }

  private cancel(key: string): void {
    clearTimeout(this.later.get(key)?.timer);
    this.later.delete(key);
  }
}

/** Keys after which other events are handled. A reconcile that sends no request takes about 0.1 ms, and waits for nothing. */
const KEYS_PER_TURN = 50;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Compares desired and observed state of one object and acts on the difference.
 *
 * @param signal aborted when the process stops or loses the lease
 * @returns when to reconcile again without a change; nothing for never
 * @throws any error: the key is added again with backoff
 */
export type Reconcile = (
  key: string,
  signal: AbortSignal,
) => Promise<{ readonly requeueAfterMs?: number } | void>;

export interface WorkersOptions {
  /** `controller` in its log. */
  readonly name: string;
  readonly queue: WorkQueue;
  /** Number of concurrent reconciles. */
  readonly workers: number;
  readonly reconcile: Reconcile;
  /** Shuts the queue down. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
}

/**
 * Reconciles the keys of the queue. Starts no reconcile after the signal.
 * @returns once all reconciles in progress have ended
 */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  const { queue, signal, metrics } = options;
  const stop = () => queue.shutDown();
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  const turn = new Turn(KEYS_PER_TURN);
  await Promise.all(Array.from({ length: options.workers }, worker));

  async function worker(): Promise<void> {
    for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
      if (!signal.aborted) await once(key);
      queue.done(key);
      await turn.next();
    }
  }

  async function once(key: string): Promise<void> {
    const start = performance.now();
    metrics.started();
    const result = await attempt(key);
    metrics.ended(result, (performance.now() - start) / 1000);
  }

  async function attempt(key: string): Promise<ReconcileResult> {
    try {
      const { requeueAfterMs } = (await options.reconcile(key, signal)) ?? {};
      queue.forget(key);
      if (requeueAfterMs === undefined) return "success";
      queue.addAfter(key, requeueAfterMs);
      return "requeue_after";
    } catch (error) {
      // A reconcile that was aborted by the end of the process has not failed.
      if (!signal.aborted)
        options.log.error({ controller: options.name, key, err: error }, "reconcile failed");
      queue.addRateLimited(key);
      return "error";
    }
  }
}
