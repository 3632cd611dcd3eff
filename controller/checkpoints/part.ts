import type { KubernetesClient } from "../../kube/client";
import type { CheckpointSettings } from "../../config/programs/controller";
import type { Engines } from "../engines";
import { keyOf, runWorkers, WorkQueue } from "../../kube/runtime";
import type { Events, Logger, Metrics, Part, PartReflector } from "../../kube/runtime";
import { sleep } from "../../kube/runtime/backoff";
import { CedanaReconciler, CedanaWriter } from "../cedana";
import { engineOf, type Context } from "./context";
import { Flights } from "./flights";
import {
  byAge,
  CEDANA,
  CHECKPOINT,
  projectCedana,
  projectCheckpoint,
  type CedanaObject,
  type CheckpointObject,
} from "./objects";
import { INDEXES, Occupancy } from "./occupancy";
import { Patience } from "./patience";
import { CheckpointReconciler } from "./reconciler";
import { Report } from "./report";
import { isFinished } from "./state";
import { Objects } from "./stores";
import { Turns } from "./turns";

/** Objects that are looked at at once. What engines work on is not counted: nobody waits for it here. */
const WORKERS = 8;
/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;
/** Between two sweeps of the engines. */
const SWEEP_MS = 600_000;
/** How long engines' answers are waited for when the process is to stop. It has 10 s. */
const DRAIN_MS = 7000;

export interface CheckpointsOptions {
  readonly settings: CheckpointSettings;
  /** Writes only while this process leads. */
  readonly client: KubernetesClient;
  readonly engines: Engines;
  readonly events: Events;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Acts upon Checkpoints, and upon Cedanas by them: asks an engine, once for each container, and writes down what comes of
 * it. Where nobody knows what came of it, it says so and does not ask again.
 */
export class Checkpoints implements Part {
  readonly name = "checkpoints";
  readonly reflectors: readonly PartReflector[];
  private readonly checkpoints: Objects<CheckpointObject>;
  private readonly cedanas: Objects<CedanaObject>;
  private readonly flights = new Flights();
  private readonly reconcilers: {
    readonly checkpoints: CheckpointReconciler;
    readonly cedanas: CedanaReconciler;
  };
  private readonly queues: { readonly checkpoints: WorkQueue; readonly cedanas: WorkQueue };

  constructor(private readonly options: CheckpointsOptions) {
    const { settings, client, engines, events, log, metrics } = options;
    const source = { namespaces: settings.namespaces, client, log, metrics };
    this.checkpoints = new Objects({
      ...source,
      kind: CHECKPOINT,
      project: projectCheckpoint,
      indexes: INDEXES,
    });
    this.cedanas = new Objects({
      ...source,
      // The kind belongs to the install of that engine.
      namespaces: settings.engine === "cedana" ? settings.namespaces : [],
      kind: CEDANA,
      project: projectCedana,
      indexes: {},
    });
    const own = [...engines.values()].flatMap(({ reflectors = [] }) => reflectors);
    this.reflectors = [...this.checkpoints.reflectors, ...this.cedanas.reflectors, ...own];
    const queue = (name: string) => new WorkQueue({ name, metrics, maxDelayMs: MAX_DELAY_MS });
    this.queues = { checkpoints: queue("checkpoints"), cedanas: queue("cedanas") };

    const { flights } = this;
    const { timeoutSeconds } = settings.engine === "cedana" ? settings.manager : settings.agent;
    const timeoutMs = (object: CheckpointObject) =>
      engineOf({ settings, engines }, object)?.timeoutMs ?? timeoutSeconds * 1000;
    const occupancy = new Occupancy(this.checkpoints, flights, timeoutMs);
    const report = new Report(events, metrics, () => flights.size);
    const context: Context = { settings, client, engines, flights, occupancy, report, log };
    const patience = new Patience();
    const turns = new Turns(this.checkpoints, occupancy, patience, settings.maxPerNode);
    this.reconcilers = {
      checkpoints: new CheckpointReconciler(
        context,
        this.checkpoints,
        patience,
        turns,
        this.queues.checkpoints,
      ),
      cedanas: new CedanaReconciler(context, this.cedanas, this.checkpoints, new CedanaWriter(context)),
    };
  }

  async lead(signal: AbortSignal): Promise<void> {
    const { checkpoints, cedanas } = this.queues;
    this.checkpoints.onChange(({ key, old, new: now }) => {
      checkpoints.add(key);
      const owner = (now ?? old)?.metadata;
      if (owner?.cedana) cedanas.add(`${owner.namespace}/${owner.cedana.name}`);
    });
    this.cedanas.onChange(({ key }) => cedanas.add(key));
    // Older ones first: slots are given in this order.
    for (const object of this.checkpoints.list().toSorted(byAge))
      if (!isFinished(object.status) || object.metadata.deletionTimestamp) checkpoints.add(keyOf(object));
    for (const object of this.cedanas.list()) cedanas.add(keyOf(object));

    const { log, metrics } = this.options;
    const work = (name: keyof typeof this.queues) =>
      runWorkers({
        name,
        queue: this.queues[name],
        workers: WORKERS,
        reconcile: (key, stop) => this.reconcilers[name].reconcile(key, stop),
        signal,
        log,
        metrics,
      });
    await Promise.all([work("checkpoints"), work("cedanas"), this.sweep(signal)]);
    await this.flights.drain(DRAIN_MS);
  }

  /** Has engines forget what processes before this one were asked, and now and then what could not be forgotten. */
  private async sweep(signal: AbortSignal): Promise<void> {
    const { engines, log } = this.options;
    while (!signal.aborted) {
      const open = this.checkpoints.list().filter(({ status }) => !isFinished(status));
      const wanted = new Set(open.map(({ metadata }) => metadata.uid));
      for (const engine of engines.values()) {
        await engine
          .sweep?.((id) => wanted.has(id) || this.flights.has(id), signal)
          .catch((error: unknown) => {
            if (!signal.aborted) log.warn({ engine: engine.name, err: error }, "not swept; later again");
          });
      }
      await sleep(SWEEP_MS, signal);
    }
  }
}
