import type { CachedObjects, Objects } from "../../kube";
import { byAge, type CheckpointObject } from "./objects";
import { podKeyOf } from "./reservations";
import { SortedList } from "./sorted-list";
import { isWaiting } from "./state";

/** The oldest waiting Checkpoint of each pod of a node, by namespace. */
interface NodeOrder {
  readonly heads: Map<string, SortedList<CheckpointObject>>;
  /** When a Checkpoint of a namespace last started here, as a count of starts. */
  readonly served: Map<string, number>;
}

/** The slots of a node. */
export interface Slots {
  readonly nodeName: string;
  readonly free: number;
  /** Pods that are reserved, as `namespace/name`. */
  readonly taken: ReadonlySet<string>;
  /** Number of slots that a namespace holds. */
  readonly heldBy: (namespace: string) => number;
}

/**
 * The Checkpoints that wait for their start, in order: per pod the oldest, per node the namespaces in turn, each with its
 * oldest first. One change costs a few binary searches, however many wait.
 */
export class WaitingOrder {
  private readonly byPod = new Map<string, SortedList<CheckpointObject>>();
  /** The Checkpoint of each pod that is in the order of its node. */
  private readonly heads = new Map<string, CheckpointObject>();
  private readonly byNode = new Map<string, NodeOrder>();
  private starts = 0;

  /** @param isBlocked whether a Checkpoint waits for something else, such as its pod. Call `refresh` when that changes */
  constructor(
    private readonly objects: Objects<CheckpointObject> & Pick<CachedObjects<CheckpointObject>, "covers">,
    private readonly isBlocked: (uid: string) => boolean,
  ) {
    objects.onChange(({ old, new: now }) => {
      if (old) this.remove(old);
      if (now) this.refresh(now);
    });
  }

  /** Adds or removes a Checkpoint, as it waits or not. */
  refresh(object: CheckpointObject): void {
    if (!isWaiting(object) || this.isBlocked(object.metadata.uid)) return this.remove(object);
    const pod = podKeyOf(object);
    const list = this.byPod.get(pod) ?? new SortedList(byAge);
    list.add(object);
    this.byPod.set(pod, list);
    this.settleHead(pod);
  }

  /** Returns the oldest waiting Checkpoint of a pod. */
  oldestOf(pod: string): CheckpointObject | undefined {
    return this.byPod.get(pod)?.first;
  }

  /** Records that a Checkpoint of the namespace starts on the node: the others come first next time. */
  served(nodeName: string, namespace: string): void {
    this.byNode.get(nodeName)?.served.set(namespace, ++this.starts);
  }

  /**
   * Returns the Checkpoints that get the free slots of a node. The namespace that holds the fewest slots comes first, then the
   * one that was served longest ago, then the one with the oldest Checkpoint.
   * @param candidate counted on this node although its status names none yet, or another
   */
  next({ nodeName, free, taken, heldBy }: Slots, candidate?: CheckpointObject): readonly CheckpointObject[] {
    const node = this.byNode.get(nodeName);
    const found: { readonly object: CheckpointObject; readonly rank: number; readonly served: number }[] = [];
    const namespaces = new Set(node?.heads.keys());
    if (candidate) namespaces.add(candidate.metadata.namespace);
    for (const namespace of namespaces) {
      if (!this.objects.covers(namespace)) continue;
      const own = candidate?.metadata.namespace === namespace ? candidate : undefined;
      const held = heldBy(namespace);
      const served = node?.served.get(namespace) ?? 0;
      const first = firstOf(node?.heads.get(namespace) ?? [], own, taken, free);
      for (const [index, object] of first.entries()) found.push({ object, rank: held + index, served });
    }
    found.sort((a, b) => a.rank - b.rank || a.served - b.served || byAge(a.object, b.object));
    return found.slice(0, free).map(({ object }) => object);
  }

  private remove(object: CheckpointObject): void {
    const pod = podKeyOf(object);
    const list = this.byPod.get(pod);
    list?.delete(object);
    if (list?.size === 0) this.byPod.delete(pod);
    this.settleHead(pod);
  }

  /** Makes the oldest Checkpoint of a pod the one in the order of its node. */
  private settleHead(pod: string): void {
    const [old, now] = [this.heads.get(pod), this.oldestOf(pod)];
    if (old === now) return;
    if (old) this.dropHead(old);
    if (now === undefined) {
      this.heads.delete(pod);
      return;
    }
    this.heads.set(pod, now);
    const { nodeName } = now.status;
    if (nodeName === undefined) return;
    const { namespace } = now.metadata;
    const node = this.byNode.get(nodeName) ?? { heads: new Map(), served: new Map() };
    const list = node.heads.get(namespace) ?? new SortedList(byAge);
    list.add(now);
    node.heads.set(namespace, list);
    this.byNode.set(nodeName, node);
  }

  private dropHead(object: CheckpointObject): void {
    const { namespace } = object.metadata;
    const { nodeName = "" } = object.status;
    const node = this.byNode.get(nodeName);
    const list = node?.heads.get(namespace);
    list?.delete(object);
    if (list?.size === 0) node?.heads.delete(namespace);
    if (node?.heads.size === 0) this.byNode.delete(nodeName);
  }
}

/** Returns the first Checkpoints of pods that are not taken, with the candidate at its place. */
function firstOf(
  heads: Iterable<CheckpointObject>,
  candidate: CheckpointObject | undefined,
  taken: ReadonlySet<string>,
  count: number,
): CheckpointObject[] {
  const found: CheckpointObject[] = [];
  let own = candidate;
  for (const head of heads) {
    if (found.length >= count) return found;
    if (own && byAge(own, head) <= 0) {
      found.push(own);
      own = undefined;
    }
    const pod = podKeyOf(head);
    if (found.length < count && !taken.has(pod) && (!candidate || pod !== podKeyOf(candidate)))
      found.push(head);
  }
  if (own && found.length < count) found.push(own);
  return found;
}
