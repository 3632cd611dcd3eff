import { isDeepStrictEqual } from "node:util";
import type { MemoryWatch } from "../../../api";
import {
  controller,
  type CachedObjects,
  type Client,
  type Controller,
  type Logger,
  type Metrics,
} from "../../../kube";
import { WATCH, watchName, watchObject, type WatchObject } from "./objects";

/** Changes of a node's pods in this time are one write. */
const BATCH_MS = 1000;
const WORKERS = 4;
const MAX_DELAY_MS = 60_000;

export interface WatchControllerOptions {
  readonly namespace: string;
  readonly objects: CachedObjects<WatchObject>;
  readonly client: Client;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Returns what must be watched on a node. */
  readonly watchesOn: (nodeName: string) => readonly MemoryWatch[];
}

/** Writes a NodeMemoryWatch for each node with watched pods, and deletes the others. */
export class WatchController {
  readonly controller: Controller;
  private readonly queue;
  /** Nodes by the key of their object. */
  private readonly nodes = new Map<string, string>();

  constructor(private readonly options: WatchControllerOptions) {
    const { objects, log, metrics } = options;
    const builder = controller("memory-watches", {
      log,
      metrics,
      workers: WORKERS,
      maxDelayMs: MAX_DELAY_MS,
    });
    this.queue = builder.queue;
    this.controller = builder
      .for(objects, { when: ({ new: now, old }) => now?.metadata.generation !== old?.metadata.generation })
      .reconcile((key, signal) => this.reconcile(key, signal));
  }

  /** Enqueues a node whose watches changed. */
  changed(nodeName: string): void {
    const key = `${this.options.namespace}/${watchName(nodeName)}`;
    this.nodes.set(key, nodeName);
    this.queue.addAfter(key, BATCH_MS);
  }

  private async reconcile(key: string, signal: AbortSignal): Promise<undefined> {
    const { objects, client, namespace, watchesOn } = this.options;
    const object = objects.get(key);
    const nodeName = this.nodes.get(key) ?? object?.spec.nodeName;
    if (nodeName === undefined) return;
    const watches = watchesOn(nodeName);
    if (watches.length === 0) {
      this.nodes.delete(key);
      if (object) await client.delete(WATCH, object.metadata, { signal });
      return;
    }
    const next = watchObject(namespace, nodeName, watches);
    if (!isDeepStrictEqual(object?.spec, next.spec)) await client.apply(WATCH, next, { signal });
  }
}
