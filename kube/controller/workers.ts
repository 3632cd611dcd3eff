import type { Logger } from "../log";
import type { Metrics, ReconcileResult } from "../metrics";
import type { WorkQueue } from "./queue";

/**
 * Brings one object to where it should be, from whatever state it is in.
 *
 * @param signal given when the process stops or loses the lease
 * @returns when to look again without a change; nothing for never
 * @throws anything: the key is taken in again with backoff
 */
export type Reconcile = (
  key: string,
  signal: AbortSignal,
) => Promise<{ readonly requeueAfterMs?: number } | void>;

export interface WorkersOptions {
  /** Label of its metrics, and `controller` in its log. */
  readonly name: string;
  readonly queue: WorkQueue;
  /** How many keys are reconciled at once. */
  readonly workers: number;
  readonly reconcile: Reconcile;
  /** Shuts the queue down. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "controller">;
}

/**
 * Reconciles the queue's keys. After the signal nothing new is begun.
 * @returns once every reconcile that was under way has ended
 */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  const { queue, signal } = options;
  const metrics = options.metrics.controller(options.name, options.workers);
  const stop = () => queue.shutDown();
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  await Promise.all(Array.from({ length: options.workers }, worker));

  async function worker(): Promise<void> {
    for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
      if (!signal.aborted) await once(key);
      queue.done(key);
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
      // What was cut short by the end of the process is no failure.
      if (!signal.aborted)
        options.log.error({ controller: options.name, key, err: error }, "reconcile failed");
      queue.addRateLimited(key);
      return "error";
    }
  }
}
