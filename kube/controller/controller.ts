import type { KubernetesObject } from "../client/objects";
import { keyOf } from "../client/objects";
import type { CachedObjects } from "../cache/cache";
import type { Change } from "../cache/store";
import type { Logger } from "../log";
import type { Metrics } from "../metrics";
import { Turn } from "../turn";
import { namespaceOf } from "./fair-keys";
import { WorkQueue, runWorkers, type Reconcile } from "./queue";

/** Keys of objects that exist at the start, after which other events are handled. */
const KEYS_PER_TURN = 500;

/** Objects that a controller reads. */
export interface Source {
  /** Settles once they are cached. */
  readonly synced: Promise<unknown>;
  /** Default: all namespaces are covered. */
  readonly covers?: CachedObjects<never>["covers"];
  readonly onPermitted?: CachedObjects<never>["onPermitted"];
}

/** A reconcile loop. */
export interface Controller {
  readonly name: string;
  /** Objects that must be cached before it leads. */
  readonly sources: readonly Source[];
  /**
   * Runs the loop. Called once, with the lease held and all sources synced. After the signal it finishes the reconciles in
   * progress and resolves; it resolves for no other reason.
   */
  lead(signal: AbortSignal): Promise<void>;
}

/** A key, or a key that is enqueued after a delay. */
export type Request = string | { readonly key: string; readonly afterMs: number };

export interface ForOptions<T> {
  /** Selects and orders the objects that are enqueued when it starts to lead. Default: all. */
  readonly initial?: (objects: readonly T[]) => readonly T[];
  /** Selects changes. Default: all. */
  readonly when?: (change: Change<T>) => boolean;
}

export interface ControllerOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Number of concurrent reconciles. Default: 1. */
  readonly workers?: number;
  /** Longest delay after failures. Default: 1,000,000 (client-go). */
  readonly maxDelayMs?: number;
}

export interface ReconcileOptions {
  /** Runs when it starts to lead. The first key is enqueued once it has ended. */
  readonly start?: () => void | Promise<void>;
  /** Runs beside the workers, until the signal. */
  readonly background?: (signal: AbortSignal) => Promise<void>;
  /** Runs after the last reconcile. */
  readonly drain?: () => Promise<void>;
}

/** Builds a controller: `controller("checkpoints", { log, metrics }).for(checkpoints).reconcile(reconcile)`. */
export function controller(name: string, options: ControllerOptions): ControllerBuilder {
  return new ControllerBuilder(name, options);
}

/** Collects the sources of a controller. */
export class ControllerBuilder {
  /** For components that enqueue keys themselves. */
  readonly queue: WorkQueue;
  private readonly sources: Source[] = [];
  private readonly subscriptions: ((queue: WorkQueue) => void)[] = [];
  /** Enqueue what exists at the start, or of one namespace once it is permitted. */
  private readonly initial: ((namespace?: string) => readonly string[])[] = [];

  constructor(
    private readonly name: string,
    private readonly options: ControllerOptions,
  ) {
    const { metrics, maxDelayMs } = options;
    this.queue = new WorkQueue({ name, metrics, maxDelayMs });
  }

  /** Reconciles these objects: each of them at the start, and each that changes. */
  for<T extends KubernetesObject>(objects: CachedObjects<T>, options: ForOptions<T> = {}): this {
    const { initial = (all) => all, when = () => true } = options;
    this.initial.push((namespace) =>
      initial(objects.list())
        .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
        .map(keyOf),
    );
    return this.watches(objects, (change) => (when(change) ? [change.key] : []));
  }

  /** Reconciles the owners of these objects when they change. */
  owns<T extends KubernetesObject>(
    objects: CachedObjects<T>,
    ownerOf: (object: T) => string | undefined,
  ): this {
    return this.watches(objects, ({ old, new: now }) => {
      const object = now ?? old;
      const owner = object && ownerOf(object);
      return owner === undefined ? [] : [owner];
    });
  }

  /** Reconciles the keys that a change of these objects affects. */
  watches<T extends KubernetesObject>(
    objects: CachedObjects<T>,
    toRequests: (change: Change<T>) => Iterable<Request>,
  ): this {
    this.subscriptions.push((queue) =>
      objects.onChange((change) => {
        for (const request of toRequests(change))
          if (typeof request === "string") queue.add(request);
          else queue.addAfter(request.key, request.afterMs);
      }),
    );
    return this.needs(objects);
  }

  /** Waits for objects that it only reads. */
  needs(...objects: readonly Source[]): this {
    this.sources.push(...objects);
    return this;
  }

  /** Enqueues one more key at the start. */
  starts(key: string): this {
    this.initial.push(() => [key]);
    return this;
  }

  /**
   * Completes the controller. Keys of a namespace that a source does not cover are dropped: a decision needs the objects of
   * all sources. They are enqueued again once the API server permits what it denied.
   */
  reconcile(reconcile: Reconcile, { start, background, drain }: ReconcileOptions = {}): Controller {
    const { name, queue, sources, subscriptions, initial } = this;
    const { log, workers = 1 } = this.options;
    // On every replica: the series exist before this one leads.
    const metrics = this.options.metrics.controller(name, workers);
    const isCovered = (key: string) => {
      const namespace = namespaceOf(key);
      return namespace === "" || sources.every((source) => source.covers?.(namespace) ?? true);
    };
    const reconcileCovered: Reconcile = async (key, signal) =>
      isCovered(key) ? reconcile(key, signal) : undefined;
    const enqueueAll = async (namespace?: string) => {
      const turn = new Turn(KEYS_PER_TURN);
      for (const keys of initial)
        for (const key of keys(namespace)) {
          queue.add(key);
          await turn.next();
        }
    };
    return {
      name,
      sources,
      lead: async (signal) => {
        for (const subscribe of subscriptions) subscribe(queue);
        for (const source of sources) source.onPermitted?.((namespace) => void enqueueAll(namespace));
        await start?.();
        await enqueueAll();
        await Promise.all([
          runWorkers({ name, queue, workers, reconcile: reconcileCovered, signal, log, metrics }),
          background?.(signal),
        ]);
        await drain?.();
      },
    };
  }
}

/**
 * Runs all controllers, each once its own sources are synced: a missing kind, permission or namespace delays no other
 * controller.
 */
export async function leadAll(controllers: readonly Controller[], signal: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // Each one enqueues what exists when it starts: two of them never do so in the same turn of the event loop.
  const turn = new Turn(1);
  await Promise.all(
    controllers.map(async (one) => {
      await Promise.race([syncOf(one), stopped]);
      await turn.next();
      if (!signal.aborted) await one.lead(signal);
    }),
  );
}

/** Settles once all sources of the controller are synced. */
export async function syncOf({ sources }: Pick<Controller, "sources">): Promise<void> {
  await Promise.all(sources.map(({ synced }) => synced));
}
