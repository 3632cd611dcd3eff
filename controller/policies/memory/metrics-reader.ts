import { isDeepStrictEqual } from "node:util";
import { MemoryMonitor, type MemoryReadings } from "../../../api";
import { quantityBytes } from "../../../config/schema";
import {
  isOutdated,
  itemsAt,
  NotLeaderError,
  sleep,
  textAt,
  type CachedObjects,
  type Client,
  type Json,
  type Logger,
} from "../../../kube";
import type { PodObject } from "../objects";
import { WATCH, type WatchObject } from "./objects";

/** Time between two reads. metrics-server has a new value every 15 s by default. */
const PERIOD_MS = 15_000;

export interface MetricsReaderOptions {
  readonly objects: CachedObjects<WatchObject>;
  readonly pods: CachedObjects<PodObject>;
  readonly client: Client;
  readonly log: Logger;
  /** Called with the reason while there are no metrics, and with undefined once there are. */
  readonly failed: (problem: string | undefined) => void;
}

/** Readings of pods, and when each was measured. */
interface Measured {
  readonly readings: MemoryReadings;
  readonly measuredMs: ReadonlyMap<string, number>;
}

/** Reads the memory of watched pods from metrics.k8s.io, and writes crossings into the NodeMemoryWatches as an agent does. */
export class MetricsReader {
  private readonly monitors = new Map<string, MemoryMonitor>();
  private readonly podOf: (uid: string) => readonly PodObject[];

  constructor(private readonly options: MetricsReaderOptions) {
    this.podOf = options.pods.index(({ metadata: { uid } }) => [uid]);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.poll(signal).catch((error: unknown) => {
        if (signal.aborted || error instanceof NotLeaderError) return;
        const message = error instanceof Error ? error.message : String(error);
        this.options.log.warn({ err: error }, "cannot read the memory of pods from metrics.k8s.io");
        this.options.failed(`cannot read the memory of pods from metrics.k8s.io: ${message}`);
      });
      await sleep(PERIOD_MS, signal);
    }
  }

  private async poll(signal: AbortSignal): Promise<void> {
    const objects = this.options.objects.list();
    const watched = new Map<string, PodObject>();
    for (const { spec } of objects)
      for (const { podUID } of spec.watches) for (const pod of this.podOf(podUID)) watched.set(podUID, pod);
    const readings = await this.read([...watched.values()], signal);
    this.options.failed(undefined);
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const uid of this.monitors.keys()) if (!uids.has(uid)) this.monitors.delete(uid);
    for (const object of objects) await this.observe(object, readings, signal);
  }

  private async observe(
    object: WatchObject,
    { readings, measuredMs }: Measured,
    signal: AbortSignal,
  ): Promise<void> {
    const { metadata, spec, status } = object;
    const monitor = this.monitors.get(metadata.uid) ?? new MemoryMonitor();
    this.monitors.set(metadata.uid, monitor);
    monitor.set(spec.watches, status.crossings);
    // A metrics server may return one value several times. The value must not count as several readings.
    monitor.observe(readings, Date.now(), (podUID) => measuredMs.get(podUID) ?? 0);
    const { crossings } = monitor;
    const next = { observedGeneration: metadata.generation, ...(crossings.length > 0 ? { crossings } : {}) };
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(status)), next)) return;
    try {
      await this.options.client.applyStatus(WATCH, metadata, next, { signal });
    } catch (error) {
      // The next poll writes it.
      if (!isOutdated(error)) throw error;
    }
  }

  /** Returns the readings of pods, by one list for each namespace. */
  private async read(pods: readonly PodObject[], signal: AbortSignal): Promise<Measured> {
    const byKey = new Map(pods.map((pod) => [`${pod.pod.namespace}/${pod.pod.name}`, pod]));
    const readings = new Map<string, ReadonlyMap<string, number>>();
    const measuredMs = new Map<string, number>();
    for (const namespace of new Set(pods.map(({ pod }) => pod.namespace))) {
      const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`;
      const list = (await this.options.client.transport.send("GET", path, undefined, { signal })) as Json;
      for (const item of itemsAt(list, "items")) {
        const pod = byKey.get(`${namespace}/${textAt(item, "metadata", "name")}`);
        const timeMs = Date.parse(textAt(item, "timestamp") ?? "");
        const reading = pod && readingOf(item, pod, timeMs);
        if (!pod || !reading) continue;
        readings.set(pod.metadata.uid, reading);
        measuredMs.set(pod.metadata.uid, timeMs);
      }
    }
    return { readings, measuredMs };
  }
}

/** Returns the memory of the containers; undefined if it was measured before they started, of an earlier pod of the name. */
function readingOf(
  metrics: Json,
  { pod }: PodObject,
  measuredMs: number,
): ReadonlyMap<string, number> | undefined {
  if (Number.isNaN(measuredMs) || measuredMs < (pod.runningSinceMs ?? pod.createdMs)) return undefined;
  const reading = new Map<string, number>();
  for (const container of itemsAt(metrics, "containers")) {
    const name = textAt(container, "name");
    const used = textAt(container, "usage", "memory");
    if (name !== undefined && used !== undefined) reading.set(name, quantityBytes(used));
  }
  return reading;
}
