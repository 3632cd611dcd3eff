import { byAge, type CheckpointObject } from "./objects";
import { podKeyOf, type Reservation, type Reservations } from "./reservations";
import type { Slots, WaitingOrder } from "./waiting-order";

export type Admission =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly message: string;
      readonly untilMs?: number;
      /** Checkpoints that start before it, and can now. */
      readonly before?: readonly CheckpointObject[];
    };

/**
 * Decides which pending Checkpoints may start: one per pod, `maxPerNode` per node. Namespaces take turns on a node; within a
 * namespace the oldest starts first.
 */
export class CheckpointScheduler {
  constructor(
    private readonly reservations: Reservations,
    private readonly order: WaitingOrder,
    private readonly maxPerNode: number,
  ) {}

  /** Checks that the pod is not reserved, and that the node has a slot that no other Checkpoint gets first. */
  admit(object: CheckpointObject, nodeName: string, now: number): Admission {
    const pod = podKeyOf(object);
    const reserved = this.reservations.on(pod, nodeName, object.metadata.uid, now);
    const onPod = reserved.find((one) => one.pod === pod);
    if (onPod) {
      const what = onPod.untilMs === undefined ? "is in use" : "may still be in use";
      return { ...blocked(`pod ${pod} ${what} by ${onPod.key}`), ...firstEnd([onPod]) };
    }
    const oldest = this.order.oldestOf(pod);
    if (oldest && byAge(oldest, object) < 0)
      return { ...blocked(`an older Checkpoint of pod ${pod} starts first`), before: [oldest] };
    const next = this.order.next(this.slotsOf(nodeName, reserved), object);
    if (next.some((one) => byAge(one, object) === 0)) return { admitted: true };
    const message = `node ${nodeName} has reached maxPerNode (${this.maxPerNode}); other Checkpoints start first`;
    return { ...blocked(message), ...firstEnd(onSlots(reserved, nodeName)), before: next };
  }

  /** Returns the Checkpoints that may start after a slot of the pod or the node was released, in order. */
  next(pod: string, nodeName: string | undefined, now: number): readonly CheckpointObject[] {
    const oldest = this.order.oldestOf(pod);
    const ofNode =
      nodeName === undefined
        ? []
        : this.order.next(this.slotsOf(nodeName, this.reservations.on(pod, nodeName, "", now)));
    return [...new Set([...(oldest ? [oldest] : []), ...ofNode])];
  }

  private slotsOf(nodeName: string, reserved: readonly Reservation[]): Slots {
    const held = onSlots(reserved, nodeName);
    return {
      nodeName,
      free: Math.max(0, this.maxPerNode - held.length),
      taken: new Set(reserved.map(({ pod }) => pod)),
      heldBy: (namespace) => held.filter(({ pod }) => pod.startsWith(`${namespace}/`)).length,
    };
  }
}

function onSlots(reserved: readonly Reservation[], nodeName: string): readonly Reservation[] {
  return reserved.filter((one) => one.nodeName === nodeName && !one.isLate);
}

function blocked(message: string): { readonly admitted: false; readonly message: string } {
  return { admitted: false, message };
}

/** Returns the first end of the reservations that end by time. */
function firstEnd(reservations: readonly Reservation[]): { untilMs?: number } {
  const times = reservations.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]));
  return times.length === 0 ? {} : { untilMs: Math.min(...times) };
}
