import type { InFlight } from "./in-flight";
import type { CheckpointObject } from "./objects";
import type { Busy } from "./slots";
import { heldUntil, isFinished, phaseOf } from "./state";
import type { Index, Objects } from "../../kube";

export const podKeyOf = ({ metadata, spec }: CheckpointObject) => `${metadata.namespace}/${spec.podRef.name}`;

function mayOccupy(object: CheckpointObject): boolean {
  return !isFinished(object.status) || heldUntil(object, 0) !== undefined;
}

/**
 * The pods and nodes on which an engine works, or may work: requests of this process, and requests of earlier processes
 * whose outcome is unknown. The latter end with the engine's timeout.
 */
export class Occupancy {
  /** Waiting Checkpoints and those in flight, by `namespace/pod` and by node. Finished ones are left out. */
  readonly byPod: Index<CheckpointObject>;
  readonly byNode: Index<CheckpointObject>;
  /** Deleted while an engine worked on them. */
  private readonly departed = new Map<string, Busy & { readonly untilMs: number }>();
  /** Ended with a known outcome; the cache may not have it yet. */
  private readonly over = new Set<string>();

  constructor(
    objects: Objects<CheckpointObject>,
    private readonly inFlight: InFlight,
    private readonly timeoutMs: (object: CheckpointObject) => number,
  ) {
    this.byPod = objects.index((object) => (mayOccupy(object) ? [podKeyOf(object)] : []));
    this.byNode = objects.index((object) => {
      const { nodeName } = object.status;
      return nodeName !== undefined && mayOccupy(object) ? [nodeName] : [];
    });
    objects.onChange(({ old, new: now }) => {
      if (old && !now) this.remember(old);
    });
  }

  /** @param except UID of an object that is not counted */
  on(pod: string, nodeName: string, except: string, now: number): readonly Busy[] {
    for (const [uid, { untilMs }] of this.departed) if (untilMs <= now) this.departed.delete(uid);
    const found = new Map<string, Busy>();
    for (const one of [...this.departed.values(), ...this.inFlight.list()]) found.set(one.uid, one);
    for (const object of [...this.byNode(nodeName), ...this.byPod(pod)]) {
      const busy = found.has(object.metadata.uid) ? undefined : this.busyOf(object, now);
      if (busy) found.set(busy.uid, busy);
    }
    return [...found.values()].filter(
      (one) => one.uid !== except && (one.pod === pod || one.nodeName === nodeName),
    );
  }

  /** Notes that the object is about to be requested from an engine. */
  begun(uid: string): void {
    this.over.delete(uid);
  }

  /** Notes that the object ended with a known outcome. */
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
