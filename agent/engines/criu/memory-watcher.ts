import { isDeepStrictEqual } from "node:util";
import {
  MemoryMonitor,
  NODE_MEMORY_WATCH,
  type NodeMemoryWatchSpec,
  type NodeMemoryWatchStatus,
} from "../../../api";
import type { NodeService } from "../../../clients/node-service";
import {
  isOutdated,
  projectCustomResource,
  sleep,
  type CachedObjects,
  type CustomResource,
  type Kind,
} from "../../../kube";
import type { EngineTools, Runner } from "../engine";
import { textOf } from "./service";

type WatchObject = CustomResource<NodeMemoryWatchSpec, NodeMemoryWatchStatus>;

const WATCH: Kind<WatchObject> = { ...NODE_MEMORY_WATCH, project: projectCustomResource };

/** Time between two readings, ms. */
const PERIOD_MS = 2000;
/** Time limit of a reading, ms. */
const TIMEOUT_MS = 10_000;
/** Time without a reading after which that is reported, ms: an update of the service takes seconds. */
const REPORTED_AFTER_MS = 30_000;
/** Maximum length of `status.message`. */
const MAX_MESSAGE = 1024;

/**
 * Reads the memory of the watched pods of this node, and writes when it crossed a threshold. A status is written only when there is
 * something new.
 */
export class MemoryWatcher implements Runner {
  readonly synced: Promise<unknown>;
  private readonly objects: CachedObjects<WatchObject>;
  private readonly monitors = new Map<string, MemoryMonitor>();
  private running: Promise<void> = Promise.resolve();
  private failingSinceMs?: number;
  private message?: string;

  constructor(
    private readonly node: Pick<NodeService, "usage">,
    private readonly tools: Pick<EngineTools, "client" | "objects" | "log" | "stop">,
    private readonly periodMs = PERIOD_MS,
  ) {
    this.objects = tools.objects(WATCH);
    this.synced = this.objects.synced;
  }

  async start(): Promise<void> {
    this.running = this.run();
  }

  drained(): Promise<void> {
    return this.running;
  }

  private async run(): Promise<void> {
    const { stop, log } = this.tools;
    while (!stop.aborted) {
      for (const object of this.follow()) {
        try {
          await this.watch(object);
        } catch (error) {
          // The next round writes it.
          if (!stop.aborted && !isOutdated(error))
            log.warn({ nodeMemoryWatch: object.metadata.name, err: error }, "cannot write the status");
        }
      }
      await sleep(this.periodMs, stop);
    }
  }

  /** Returns the objects of this node, of which there is one. */
  private follow(): readonly WatchObject[] {
    const objects = this.objects.list();
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const uid of this.monitors.keys()) if (!uids.has(uid)) this.monitors.delete(uid);
    return objects;
  }

  private async watch({ metadata, spec, status }: WatchObject): Promise<void> {
    const monitor = this.monitors.get(metadata.uid) ?? new MemoryMonitor();
    this.monitors.set(metadata.uid, monitor);
    monitor.set(spec.watches, status.crossings);
    await this.read(monitor);
    const { crossings } = monitor;
    const next: NodeMemoryWatchStatus = {
      observedGeneration: metadata.generation,
      ...(crossings.length > 0 ? { crossings } : {}),
      ...(this.message === undefined ? {} : { message: this.message }),
    };
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(status)), next)) return;
    await this.tools.client.applyStatus(WATCH, metadata, next, { signal: this.tools.stop });
  }

  private async read(monitor: MemoryMonitor): Promise<void> {
    const { stop, log } = this.tools;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const { memory } = await this.node.usage(monitor.pods, AbortSignal.any([stop, timeout]));
      const readings = Object.entries(memory).map(
        ([uid, containers]) => [uid, new Map(Object.entries(containers))] as const,
      );
      monitor.observe(new Map(readings), Date.now());
      delete this.failingSinceMs;
      delete this.message;
    } catch (error) {
      this.failingSinceMs ??= Date.now();
      if (stop.aborted || this.message !== undefined || Date.now() - this.failingSinceMs < REPORTED_AFTER_MS)
        return;
      const cause = timeout.aborted
        ? `the host service did not respond within ${TIMEOUT_MS / 1000} s`
        : textOf(error);
      this.message = `cannot read the memory of pods: ${cause}`.slice(0, MAX_MESSAGE);
      log.warn({ err: error }, "cannot read the memory of pods");
    }
  }
}
