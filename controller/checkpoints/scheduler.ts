import type { Index, Objects, PerKeyBackoff } from "../../kube";
import { byAge, type CheckpointObject } from "./objects";
import { isFinished, phaseOf, reservedUntil } from "./state";

/** The capacity that one operation of an engine holds: its pod, and a slot of the node. */
export interface Reservation {
  /** UID of the Checkpoint, or of the Cedana that restores. */
  readonly uid: string;
  /** `namespace/name` of the pod. */
  readonly pod: string;
  readonly nodeName: string;
  /** `namespace/name` of the object, for messages. */
  readonly key: string;
  /** When it ends if its outcome stays unknown, ms since the epoch. */
  readonly untilMs?: number;
  /** Whether it continues beyond the engine's timeout: it holds its pod, but no slot of the node. */
  readonly isLate?: boolean;
}

export const podKeyOf = ({ metadata, spec }: CheckpointObject) => `${metadata.namespace}/${spec.podRef.name}`;

export function reservationOf(object: CheckpointObject): Reservation {
  const { namespace, name, uid } = object.metadata;
  return { uid, pod: podKeyOf(object), nodeName: object.status.nodeName ?? "", key: `${namespace}/${name}` };
}

/** Requests of this process to engines whose outcome is not known yet. */
export class InFlight {
  private readonly reservations = new Map<string, Reservation>();
  private readonly work = new Set<Promise<void>>();
  private readonly drained = new AbortController();

  /** Aborted when the process cannot wait for engines any longer. */
  get signal(): AbortSignal {
    return this.drained.signal;
  }

  get size(): number {
    return this.reservations.size;
  }

  has(uid: string): boolean {
    return this.reservations.has(uid);
  }

  list(): readonly Reservation[] {
    return [...this.reservations.values()];
  }

  /** Reserves the slot synchronously. @returns the function that releases it */
  reserve(reservation: Reservation): () => void {
    this.reservations.set(reservation.uid, reservation);
    return () => this.reservations.delete(reservation.uid);
  }

  /** Records that a reservation continues beyond the engine's timeout. @returns false if that is known */
  late(uid: string): boolean {
    const reservation = this.reservations.get(uid);
    if (reservation === undefined || reservation.isLate) return false;
    this.reservations.set(uid, { ...reservation, isLate: true });
    return true;
  }

  /** @param work must not throw */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** Waits for all requests; aborts them after the grace period. */
  async drain(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.drained.abort(new Error("the controller stops")), graceMs);
    while (this.work.size > 0) await Promise.all(this.work);
    clearTimeout(timer);
  }
}

/**
 * The pods and nodes that are reserved: by requests of this process, and by requests of earlier processes whose outcome is
 * unknown. The latter end with the engine's timeout.
 */
export class Reservations {
  /** Pending Checkpoints and those in flight, by `namespace/pod` and by node, without finished ones. */
  readonly byPod: Index<CheckpointObject>;
  readonly byNode: Index<CheckpointObject>;
  /** Reservations of Checkpoints that were deleted in flight. */
  private readonly deleted = new Map<string, Reservation & { readonly untilMs: number }>();
  /** UIDs of Checkpoints with a known outcome, which the cache may not have yet. */
  private readonly ended = new Set<string>();

  constructor(
    objects: Objects<CheckpointObject>,
    private readonly inFlight: InFlight,
    private readonly timeoutMs: (object: CheckpointObject) => number,
  ) {
    this.byPod = objects.index((object) => (mayReserve(object) ? [podKeyOf(object)] : []));
    this.byNode = objects.index((object) => {
      const { nodeName } = object.status;
      return nodeName !== undefined && mayReserve(object) ? [nodeName] : [];
    });
    objects.onChange(({ old, new: now }) => {
      if (old && !now) this.keepDeleted(old);
    });
  }

  /**
   * Returns the reservations of a pod or its node.
   * @param except UID of an object that is not counted
   */
  on(pod: string, nodeName: string, except: string, now: number): readonly Reservation[] {
    for (const [uid, { untilMs }] of this.deleted) if (untilMs <= now) this.deleted.delete(uid);
    const found = new Map<string, Reservation>();
    for (const one of [...this.deleted.values(), ...this.inFlight.list()]) found.set(one.uid, one);
    for (const object of [...this.byNode(nodeName), ...this.byPod(pod)]) {
      const reservation = found.has(object.metadata.uid) ? undefined : this.recorded(object, now);
      if (reservation) found.set(reservation.uid, reservation);
    }
    return [...found.values()].filter(
      (one) => one.uid !== except && (one.pod === pod || one.nodeName === nodeName),
    );
  }

  /** Records that the object is about to be requested from an engine. */
  begin(uid: string): void {
    this.ended.delete(uid);
  }

  /** Records that the object ended with a known outcome. */
  end(uid: string): void {
    this.deleted.delete(uid);
    this.ended.add(uid);
  }

  /** Returns the reservation that the status of an object records. */
  private recorded(object: CheckpointObject, now: number): Reservation | undefined {
    if (phaseOf(object.status) === "requested") return reservationOf(object);
    const untilMs = reservedUntil(object, this.timeoutMs(object));
    return untilMs !== undefined && untilMs > now ? { ...reservationOf(object), untilMs } : undefined;
  }

  private keepDeleted(object: CheckpointObject): void {
    const timeoutMs = this.timeoutMs(object);
    const requested = phaseOf(object.status) === "requested";
    const untilMs = requested ? Date.now() + timeoutMs : reservedUntil(object, timeoutMs);
    const { uid } = object.metadata;
    if (untilMs !== undefined && !this.ended.has(uid))
      this.deleted.set(uid, { ...reservationOf(object), untilMs });
    this.ended.delete(uid);
  }
}

function mayReserve(object: CheckpointObject): boolean {
  return !isFinished(object.status) || reservedUntil(object, 0) !== undefined;
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly message: string; readonly untilMs?: number };

/** Pods of a node that are checked for a free slot. */
const MAX_CHECKED = 100;

/** Decides which pending Checkpoints may start: one per pod, `maxPerNode` per node, oldest first. */
export class CheckpointScheduler {
  constructor(
    private readonly reservations: Reservations,
    private readonly backoff: PerKeyBackoff,
    private readonly maxPerNode: number,
  ) {}

  /** Checks that the pod is not reserved, and that the node has a slot that no older Checkpoint takes. */
  admit(object: CheckpointObject, nodeName: string, now: number): Admission {
    const pod = podKeyOf(object);
    const reserved = this.reservations.on(pod, nodeName, object.metadata.uid, now);
    const onPod = reserved.find((one) => one.pod === pod);
    if (onPod) {
      const what = onPod.untilMs === undefined ? "is in use" : "may still be in use";
      return { ...blocked(`pod ${pod} ${what} by ${onPod.key}`), ...firstEnd([onPod]) };
    }
    const onNode = reserved.filter((one) => one.nodeName === nodeName && !one.isLate);
    const taken = new Set(reserved.map((one) => one.pod));
    let free = this.maxPerNode - onNode.length;
    for (const older of this.pending(pod, nodeName).filter((one) => byAge(one, object) < 0)) {
      const olderPod = podKeyOf(older);
      if (taken.has(olderPod)) continue;
      taken.add(olderPod);
      if ((older.status.nodeName ?? "") === nodeName) free--;
    }
    if (free <= 0) {
      const message = `node ${nodeName} has reached maxPerNode (${this.maxPerNode}); older Checkpoints start first`;
      return { ...blocked(message), ...firstEnd(onNode) };
    }
    if (taken.has(pod)) return blocked(`an older Checkpoint of pod ${pod} starts first`);
    return { admitted: true };
  }

  /** Returns the Checkpoints that may start after a slot of the pod or the node was released, oldest first. */
  next(pod: string, nodeName: string | undefined): readonly CheckpointObject[] {
    const forPod = this.reservations
      .byPod(pod)
      .filter((one) => this.isPending(one))
      .toSorted(byAge);
    const forNode = nodeName === undefined ? [] : this.pending(pod, nodeName);
    const seen = new Set<string>();
    // Only the oldest of each pod: it blocks the others.
    const first = forNode.filter((one) => !seen.has(podKeyOf(one)) && seen.add(podKeyOf(one)));
    const free = first
      .slice(0, MAX_CHECKED)
      .filter((one) => this.admit(one, nodeName ?? "", Date.now()).admitted);
    return [...forPod.slice(0, 1), ...free];
  }

  /** Returns the pending Checkpoints of a pod and of a node, oldest first. */
  private pending(pod: string, nodeName: string): readonly CheckpointObject[] {
    const all = new Set([...this.reservations.byNode(nodeName), ...this.reservations.byPod(pod)]);
    return [...all].filter((one) => this.isPending(one)).toSorted(byAge);
  }

  private isPending({ metadata, status }: CheckpointObject): boolean {
    return (
      phaseOf(status) === "pending" &&
      metadata.deletionTimestamp === undefined &&
      !this.backoff.isWaiting(metadata.uid, Date.now())
    );
  }
}

function blocked(message: string): { readonly admitted: false; readonly message: string } {
  return { admitted: false, message };
}

/** Returns the first end of the reservations that end by time. */
function firstEnd(reservations: readonly Reservation[]): { untilMs?: number } {
  const times = reservations.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]));
  return times.length === 0 ? {} : { untilMs: Math.min(...times) };
}
