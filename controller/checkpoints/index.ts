/** Reconciles Checkpoints and Cedanas. */
import type { CheckpointSettings } from "../../config/programs/controller";
import { PerKeyBackoff, controller, sleep, type CachedObjects, type Controller } from "../../kube";
import { CedanaReconciler, CedanaWriter } from "../cedana";
import type { Engines } from "../engines";
import type { Runtime } from "../runtime";
import { engineOf, type Context } from "./context";
import { isFinished } from "./state";
import { CEDANA, CHECKPOINT, byAge, type CheckpointObject } from "./objects";
import { CheckpointReconciler } from "./reconciler";
import { recordsController } from "./records";
import { Report } from "./report";
import { measureWaiting } from "./waiting";
import { InFlight, Reservations } from "./reservations";
import { CheckpointScheduler } from "./scheduler";
import { WaitingOrder } from "./waiting-order";

/** Objects that are reconciled concurrently. Requests in flight need no worker. */
const WORKERS = 8;
/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;
/** Delays between checks whether a pod runs, and between requests to an engine that cannot be reached. */
const BACKOFF = { baseMs: 5000, maxMs: 60_000 } as const;
/** Time between two sweeps of the engines. */
const SWEEP_MS = 600_000;
/** How long responses of engines are awaited when the process stops. It has 10 s. */
const DRAIN_MS = 7000;

export interface CheckpointOptions extends Runtime {
  readonly settings: CheckpointSettings;
  readonly engines: Engines;
}

/**
 * Returns the controllers of Checkpoints and of Cedanas: they request each container once from an engine and record the
 * outcome. An unknown outcome is recorded as such and not retried.
 */
export function checkpointControllers(options: CheckpointOptions): readonly Controller[] {
  const { settings, engines, cache, client, events, log, metrics } = options;
  const { namespaces } = settings;
  const checkpoints = cache.objects(CHECKPOINT, { namespaces, skipDenied: true });
  const inFlight = new InFlight();
  const all = [...engines.values()];
  const longestMs = Math.max(...all.map((engine) => engine.timeoutMs));
  const timeoutMs = (object: CheckpointObject) =>
    engineOf({ settings, engines }, object)?.timeoutMs ?? longestMs;
  const reservations = new Reservations(checkpoints, inFlight, timeoutMs);
  const report = new Report({
    events,
    metrics,
    log,
    engines: [...engines.keys()],
    inFlight: () => inFlight.size,
  });
  measureWaiting(checkpoints, metrics);
  const context: Context = { settings, client, engines, inFlight, reservations, report, log };
  const backoff = new PerKeyBackoff(BACKOFF.baseMs, BACKOFF.maxMs);
  const order = new WaitingOrder(checkpoints, (uid) => backoff.isWaiting(uid, Date.now()));
  const scheduler = new CheckpointScheduler(reservations, order, settings.maxPerNode);

  const build = (name: string) =>
    controller(name, { log, metrics, workers: WORKERS, maxDelayMs: MAX_DELAY_MS });
  const drain = () => inFlight.drain(DRAIN_MS);
  const builder = build("checkpoints")
    .for(checkpoints, {
      // Slots are assigned in this order.
      initial: (objects) => objects.filter(({ status }) => !isFinished(status)).toSorted(byAge),
    })
    .needs(...all.flatMap(({ sources = [] }) => sources));
  const reconciler = new CheckpointReconciler(context, checkpoints, backoff, order, scheduler, builder.queue);
  const controllers = [
    builder.reconcile((key, signal) => reconciler.reconcile(key, signal), {
      background: (signal) => sweep(context, checkpoints, signal),
      drain,
    }),
    recordsController({ checkpoints, isInFlight: (uid) => inFlight.has(uid), client, log, metrics }),
  ];
  // Without such an engine the kind is not installed.
  if (!all.some(({ handlesCedanas }) => handlesCedanas)) return controllers;

  const cedanas = cache.objects(CEDANA, { namespaces, skipDenied: true });
  const cedana = new CedanaReconciler(context, cedanas, checkpoints, new CedanaWriter(context));
  return [
    ...controllers,
    build("cedanas")
      .for(cedanas)
      .owns(checkpoints, ({ metadata }) => metadata.cedana && `${metadata.namespace}/${metadata.cedana.name}`)
      .reconcile((key, signal) => cedana.reconcile(key, signal), { drain }),
  ];
}

/** Releases the requests that no open Checkpoint needs, at the start and periodically. */
async function sweep(
  { engines, inFlight, log, settings: { namespaces } }: Context,
  checkpoints: Pick<CachedObjects<CheckpointObject>, "list" | "covers">,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const open = checkpoints.list().filter(({ status }) => !isFinished(status));
    const wanted = new Set(open.map(({ metadata }) => metadata.uid));
    for (const engine of engines.values()) {
      await engine
        .sweep?.((id, namespace) => {
          if (wanted.has(id) || inFlight.has(id)) return "open";
          // Checkpoints of other namespaces are not read, or cannot be.
          const isRead = namespaces === "all" || namespaces.includes(namespace);
          return isRead && checkpoints.covers(namespace) ? "closed" : "unknown";
        }, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) log.warn({ engine: engine.name, err: error }, "sweep failed, retrying later");
        });
    }
    await sleep(SWEEP_MS, signal);
  }
}
