/** Life cycle of a process: start, probes, leader election, stop. */
import { setMaxListeners, type EventEmitter } from "node:events";
import { sleep } from "../backoff";
import type { LeaderElector } from "../election/elector";
import type { EventRecorder } from "../events";
import type { Logger } from "../log";
import type { Cache } from "../cache/cache";
import { leadAll, syncOf, type Controller } from "../controller/controller";

export {
  metricsRoute,
  probes,
  StatusServer,
  type HealthCheck,
  type Routes,
  contactChecks,
  EventLoopCheck,
  leaseCheck,
  syncChecks,
} from "./health";

/** Exit codes of the programs of pods: controller and agent. */
export const EXIT = {
  /** Stopped by a signal, and all work in progress was finished. */
  stopped: 0,
  /** The lease was lost, a controller failed, or the work in progress was not finished in time. */
  failed: 1,
  /** The settings are wrong. */
  badSettings: 2,
} as const;

/** Time for the work in progress after the first signal, then for the last events. Releasing the lease takes 2 s more at most. */
const DRAIN_MS = 10_000;
const FLUSH_MS = 2_000;
/** Time for all caches to be filled before the lease is requested with those that are. */
const SYNC_MS = 60_000;
/** Numbers of the signals: a process that they end exits with 128 plus the number. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

export interface ProcessServer {
  start(): Promise<unknown>;
  /** Called at the first signal, beside the work in progress: the cache runs on, and nothing is closed until it settles. */
  drain?(): Promise<void>;
  close(): Promise<void>;
}

export interface RunProcessOptions {
  readonly cache: Pick<Cache, "informers" | "run">;
  readonly controllers: readonly Controller[];
  readonly elector: Pick<LeaderElector, "run">;
  readonly events: Pick<EventRecorder, "flush">;
  /** Servers of probes, metrics and webhooks; started first, closed last. */
  readonly servers: readonly ProcessServer[];
  readonly log: Logger;
  /** Emits signals and unhandled errors. Default: the process. */
  readonly source?: EventEmitter;
  /** Ends the process immediately. Default: `process.exit`. */
  readonly exit?: (code: number) => void;
}

/**
 * Runs controllers until a signal, a lost lease or a failure.
 *
 * Starts the servers, then the cache; once it is filled it requests the lease and leads with all controllers. A controller
 * whose cache cannot be filled (its kind, namespace or permission is missing) delays the others by a minute. After SIGTERM or
 * SIGINT the controllers finish the work in progress (10 s at most) and the last events are written, with the lease still
 * held; then the lease is released. Meanwhile servers drain, for clients that do not know yet that the process stops. Then
 * cache and servers stop. A second signal ends the process immediately, as does an unhandled error.
 *
 * @returns exit code: 0 stopped, 1 lost lease, failed controller, or not drained in time
 */
export async function runProcess(options: RunProcessOptions): Promise<number> {
  const { cache, servers, log } = options;
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every informer and worker listens: many listeners are no leak.
  setMaxListeners(0, stopping.signal, ending.signal);
  const unlisten = listen(options, stopping);
  let hasEnded = false;
  const drained = aborted(stopping.signal).then(() =>
    hasEnded ? [] : Promise.all(servers.map(async (server) => server.drain?.())),
  );
  try {
    for (const server of servers) await server.start();
    const outcome = await Promise.race([lead(options, stopping.signal), follow(cache, ending.signal)]);
    if (outcome === "lost") return EXIT.failed;
    await drained;
    log.info("stopped");
    return EXIT.stopped;
  } catch (error) {
    log.fatal({ err: error }, "failed");
    return EXIT.failed;
  } finally {
    hasEnded = true;
    stopping.abort();
    ending.abort();
    await Promise.all(servers.map((server) => server.close()));
    unlisten();
  }
}

/** Runs the cache. Settles only if that fails. */
function follow(cache: Pick<Cache, "run">, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    cache.run(signal).catch(reject);
  });
}

async function lead(options: RunProcessOptions, stopping: AbortSignal): Promise<"released" | "lost"> {
  const { controllers, elector, events, log } = options;
  await cachesFilled(options, stopping);
  if (stopping.aborted) return "released";
  log.info("requesting the lease");
  return elector.run(stopping, async (leading) => {
    await inTime(leadAll(controllers, leading), leading);
    await events.flush(FLUSH_MS);
  });
}

/** Waits for the caches of all controllers; after a minute for those of one. */
async function cachesFilled({ controllers, cache, log }: RunProcessOptions, stopping: AbortSignal) {
  const done = new AbortController();
  const all = Promise.all(controllers.map(syncOf));
  await Promise.race([all, sleep(SYNC_MS, done.signal), aborted(stopping)]);
  done.abort();
  const missing = cache.informers.filter(({ hasSynced }) => !hasSynced);
  if (missing.length > 0 && !stopping.aborted)
    log.warn({ informers: missing.map(({ name }) => name) }, "caches not filled; their controllers wait");
  await Promise.race([...controllers.map(syncOf), aborted(stopping)]);
}

/** @throws Error if the work has not ended 10 s after the signal. The lease is then not released: a write may be in progress. */
async function inTime(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const overdue = aborted(signal)
    .then(() => sleep(DRAIN_MS, done.signal))
    .then(() => {
      if (!done.signal.aborted) throw new Error(`the work in progress did not end in ${DRAIN_MS} ms`);
    });
  try {
    await Promise.race([work, overdue]);
  } finally {
    done.abort();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Handles signals and uncaught errors. @returns the function that removes the handlers */
function listen(options: RunProcessOptions, stopping: AbortController): () => void {
  const { log } = options;
  const source: EventEmitter = options.source ?? process;
  const exit = options.exit ?? ((code) => process.exit(code));
  const handlers: [string, (given: unknown) => void][] = [];
  for (const [signal, number] of Object.entries(SIGNALS))
    handlers.push([
      signal,
      () => {
        const again = stopping.signal.aborted;
        log.info({ signal }, again ? "second signal received, exiting immediately" : "stopping");
        if (again) exit(128 + number);
        else stopping.abort();
      },
    ]);
  for (const cause of ["unhandledRejection", "uncaughtException"])
    handlers.push([
      cause,
      (error) => {
        log.fatal({ err: error, cause }, "exiting immediately");
        exit(EXIT.failed);
      },
    ]);
  for (const [name, handler] of handlers) source.on(name, handler);
  return () => {
    for (const [name, handler] of handlers) source.off(name, handler);
  };
}
