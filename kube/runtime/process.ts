import { setMaxListeners, type EventEmitter } from "node:events";
import { sleep } from "./backoff";
import type { LeaderElector } from "./elector";
import type { EventRecorder } from "./events";
import type { Logger } from "./log";
import type { Part } from "./part";

/** How the process ended. */
export const EXIT = {
  /** Told to stop, and everything under way was done. */
  stopped: 0,
  /** The lease was lost, a part failed, or what was under way was not done in time. */
  failed: 1,
  /** The settings are wrong. */
  badSettings: 2,
} as const;

/** Time for what is under way after the first signal, then for the last events. The lease takes 2 s at most after that. */
const DRAIN_MS = 10_000;
const FLUSH_MS = 2_000;
/** Time for caches to be filled before the lease is asked for without those that are not. */
const SYNC_MS = 60_000;
/** Numbers of the signals: a process that they end exits with 128 more. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

export interface RunProcessOptions {
  readonly parts: readonly Part[];
  readonly elector: Pick<LeaderElector, "run">;
  readonly events: Pick<EventRecorder, "flush">;
  /** Servers of probes and metrics; started first, closed last. */
  readonly servers: readonly { start(): Promise<void>; close(): Promise<void> }[];
  readonly log: Logger;
  /** Where signals and unhandled errors are told of. Default: the process. */
  readonly source?: EventEmitter;
  /** Ends the process at once. Default: `process.exit`. */
  readonly exit?: (code: number) => void;
}

/**
 * Runs parts until a signal, a lost lease or a failure.
 *
 * Servers first, then all reflectors; once they are synced the lease is asked for; its holder leads all parts. A part
 * whose reflectors cannot sync (its kind is missing, or a right) keeps the others waiting for a minute, not for ever. After
 * SIGTERM or SIGINT: parts end what is under way (10 s at most) and the last events are written, with the lease still held;
 * the lease is given back; reflectors and servers stop. A second signal ends the process at once, as does an unhandled
 * error.
 *
 * @returns exit code: 0 stopped, 1 lost lease, failed part, or not drained in time
 */
export async function runProcess(options: RunProcessOptions): Promise<number> {
  const { parts, servers, log } = options;
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every reflector and worker listens: many listeners are no leak.
  setMaxListeners(0, stopping.signal, ending.signal);
  const unlisten = listen(options, stopping);
  try {
    for (const server of servers) await server.start();
    const outcome = await Promise.race([lead(options, stopping.signal), follow(parts, ending.signal)]);
    if (outcome === "lost") return EXIT.failed;
    log.info("stopped");
    return EXIT.stopped;
  } catch (error) {
    log.fatal({ err: error }, "failed");
    return EXIT.failed;
  } finally {
    stopping.abort();
    ending.abort();
    await Promise.all(servers.map((server) => server.close()));
    unlisten();
  }
}

/** Runs all reflectors. Settles only if one fails. */
function follow(parts: readonly Part[], signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    for (const reflector of parts.flatMap((part) => part.reflectors)) reflector.run(signal).catch(reject);
  });
}

async function lead(options: RunProcessOptions, stopping: AbortSignal): Promise<"released" | "lost"> {
  const { parts, elector, events, log } = options;
  await cachesFilled(parts, stopping, log);
  if (stopping.aborted) return "released";
  log.info("asking for the lease");
  return elector.run(stopping, async (leading) => {
    const leadOne = async (part: Part) => {
      await Promise.race([syncOf(part), aborted(leading)]);
      if (!leading.aborted) await part.lead(leading);
    };
    await inTime(Promise.all(parts.map(leadOne)), leading);
    await events.flush(FLUSH_MS);
  });
}

/** Waits for all parts; after a minute for one of them. */
async function cachesFilled(parts: readonly Part[], stopping: AbortSignal, log: Logger): Promise<void> {
  const done = new AbortController();
  const all = Promise.all(parts.map(syncOf));
  await Promise.race([all, sleep(SYNC_MS, done.signal), aborted(stopping)]);
  done.abort();
  const missing = parts.flatMap(({ reflectors }) => reflectors.filter(({ hasSynced }) => !hasSynced));
  if (missing.length > 0 && !stopping.aborted)
    log.warn({ reflectors: missing.map(({ name }) => name) }, "caches not filled; their parts wait");
  await Promise.race([...parts.map(syncOf), aborted(stopping)]);
}

async function syncOf(part: Part): Promise<void> {
  await Promise.all(part.reflectors.map(({ synced }) => synced));
}

/** @throws Error if the work has not ended 10 s after the signal. The lease is then not given back: a write may be under way. */
async function inTime(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const overdue = aborted(signal)
    .then(() => sleep(DRAIN_MS, done.signal))
    .then(() => {
      if (!done.signal.aborted) throw new Error(`what was under way did not end in ${DRAIN_MS} ms`);
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

/** Acts on signals and on errors that nobody caught. @returns what stops that */
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
        log.info({ signal }, again ? "told twice: exiting at once" : "stopping");
        if (again) exit(128 + number);
        else stopping.abort();
      },
    ]);
  for (const cause of ["unhandledRejection", "uncaughtException"])
    handlers.push([
      cause,
      (error) => {
        log.fatal({ err: error, cause }, "exiting at once");
        exit(EXIT.failed);
      },
    ]);
  for (const [name, handler] of handlers) source.on(name, handler);
  return () => {
    for (const [name, handler] of handlers) source.off(name, handler);
  };
}
