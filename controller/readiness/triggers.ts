import type { Change, WorkQueue } from "../../kube/runtime";
import type { Stores } from "./sources";
import type { AgentPod, GateNode } from "./rules";

/** Time over which all nodes are looked at again when a DaemonSet changed. */
const SPREAD_MS = 5000;

/** Turns changes in the stores into looks at nodes, and, while this process leads, into work. */
export class Triggers {
  private queue?: WorkQueue;

  constructor(
    private readonly stores: Stores,
    private readonly look: (name: string) => void,
  ) {
    stores.nodes.onChange((change) => this.nodeChanged(change));
    for (const store of stores.pods.values()) store.onChange((change) => this.podChanged(change));
    for (const store of stores.daemonSets.values()) {
      store.onChange((change) => {
        if (!isSame(change)) this.allChanged();
      });
    }
  }

  /** From now on each change is work for this queue, and at first every node is. */
  lead(queue: WorkQueue): void {
    this.queue = queue;
    // All are counted before the first is worked on: the storm brake judges by all.
    for (const { metadata } of this.stores.nodes.list()) this.look(metadata.name);
    for (const { metadata } of this.stores.nodes.list()) queue.add(metadata.name);
  }

  private nodeChanged(change: Change<GateNode>): void {
    if (!isSame(change)) this.changed(change.key);
  }

  private podChanged(change: Change<AgentPod>): void {
    if (isSame(change)) return;
    const names = new Set([change.old?.nodeName, change.new?.nodeName]);
    for (const name of names) {
      if (name !== undefined && this.stores.nodes.get(name)) this.changed(name);
    }
  }

  private allChanged(): void {
    const nodes = this.stores.nodes.list();
    for (const [index, { metadata }] of nodes.entries()) {
      this.look(metadata.name);
      this.queue?.addAfter(metadata.name, Math.min(index, (SPREAD_MS * index) / nodes.length));
    }
  }

  private changed(name: string): void {
    this.look(name);
    this.queue?.add(name);
  }
}

/** Whether nothing but the version differs, of the fields in use. */
function isSame<T extends GateNode | AgentPod | { readonly metadata: object }>({
  old,
  new: next,
}: {
  readonly old?: T;
  readonly new?: T;
}): boolean {
  if (!old || !next) return false;
  return JSON.stringify({ ...old, metadata: 0 }) === JSON.stringify({ ...next, metadata: 0 });
}
