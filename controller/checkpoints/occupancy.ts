import type { Flights } from "./flights";
import type { CheckpointObject } from "./objects";
import type { Busy } from "./slots";
import { heldUntil, isFinished, phaseOf } from "./state";
import type { Objects } from "./stores";

/** Names of the indexes that are asked here: by `namespace/pod` and by node. */
export const BY_POD = "pod";
export const BY_NODE = "node";

export const podKeyOf = ({ metadata, spec }: CheckpointObject) => `${metadata.namespace}/${spec.podRef.name}`;

/** Objects that wait, or that an engine may work on. The others, of which there are many in time, are left out. */
export const INDEXES = {
  [BY_POD]: (object: CheckpointObject) => (mayOccupy(object) ? [podKeyOf(object)] : []),
  [BY_NODE]: (object: CheckpointObject) => {
    const { nodeName } = object.status;
    return nodeName !== undefined && mayOccupy(object) ? [nodeName] : [];
  },
};

function mayOccupy(object: CheckpointObject): boolean {
  return !isFinished(object.status) || heldUntil(object, 0) !== undefined;
}

/**
 * On which pods and nodes an engine works, or may work: what this process asked, and what others asked before it and
 * nobody knows the end of. The latter ends with the engine's time.
 */
export class Occupancy {
  /** Deleted while an engine worked on them. */
  private readonly departed = new Map<string, Busy & { readonly untilMs: number }>();
  /** Came to a known end; the store may not know it yet. */
  private readonly over = new Set<string>();

  constructor(
    private readonly objects: Objects<CheckpointObject>,
    private readonly flights: Flights,
    private readonly timeoutMs: (object: CheckpointObject) => number,
  ) {
    objects.onChange(({ old, new: now }) => {
      if (old && !now) this.remember(old);
    });
  }

  /** @param except UID of an object that is not counted */
  on(pod: string, nodeName: string, except: string, now: number): readonly Busy[] {
    for (const [uid, { untilMs }] of this.departed) if (untilMs <= now) this.departed.delete(uid);
    const found = new Map<string, Busy>();
    for (const one of [...this.departed.values(), ...this.flights.list()]) found.set(one.uid, one);
    for (const object of [...this.objects.byIndex(BY_NODE, nodeName), ...this.objects.byIndex(BY_POD, pod)]) {
      const busy = found.has(object.metadata.uid) ? undefined : this.busyOf(object, now);
      if (busy) found.set(busy.uid, busy);
    }
    return [...found.values()].filter(
      (one) => one.uid !== except && (one.pod === pod || one.nodeName === nodeName),
    );
  }

  /** An engine is to be asked for the object. */
  begun(uid: string): void {
    this.over.delete(uid);
  }

  /** What was asked for the object has come to a known end. */
  ended(uid: string): void {
    this.departed.delete(uid);
    this.over.add(uid);
  }

  private busyOf(object: CheckpointObject, now: number): Busy | undefined {
    if (phaseOf(object.status) === "asked") return busyFor(object);
    const untilMs = heldUntil(object, this.timeoutMs(object));
    return untilMs !== undefined && untilMs > now ? { ...busyFor(object), untilMs } : undefined;
  }

  private remember(object: CheckpointObject): void {
    const asked = phaseOf(object.status) === "asked";
    const timeoutMs = this.timeoutMs(object);
    const untilMs = asked ? Date.now() + timeoutMs : heldUntil(object, timeoutMs);
    const { uid } = object.metadata;
    if (untilMs !== undefined && !this.over.has(uid)) this.departed.set(uid, { ...busyFor(object), untilMs });
    this.over.delete(uid);
  }
}

export function busyFor(object: CheckpointObject): Busy {
  const { namespace, name, uid } = object.metadata;
  return { uid, pod: podKeyOf(object), nodeName: object.status.nodeName ?? "", key: `${namespace}/${name}` };
}
