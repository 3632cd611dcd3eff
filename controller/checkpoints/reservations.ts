import type { CachedObjects, Index, Objects } from "../../kube";
import type { CheckpointObject } from "./objects";
import { openUntil, phaseOf, reservedUntil } from "./state";

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

/** Reservations by UID, pod and node. */
class ReservationTable {
  private readonly byUid = new Map<string, Reservation>();
  private readonly byPod = new Map<string, Set<string>>();
  private readonly byNode = new Map<string, Set<string>>();

  get size(): number {
    return this.byUid.size;
  }

  get(uid: string): Reservation | undefined {
    return this.byUid.get(uid);
  }

  set(reservation: Reservation): void {
    const { uid, pod, nodeName } = reservation;
    this.delete(uid);
    this.byUid.set(uid, reservation);
    for (const [index, value] of [[this.byPod, pod] as const, [this.byNode, nodeName] as const]) {
      const found = index.get(value);
      if (found) found.add(uid);
      else index.set(value, new Set([uid]));
    }
  }

  delete(uid: string): void {
    const known = this.byUid.get(uid);
    if (known === undefined) return;
    this.byUid.delete(uid);
    for (const [index, value] of [[this.byPod, known.pod] as const, [this.byNode, known.nodeName] as const]) {
      const found = index.get(value);
      found?.delete(uid);
      if (found?.size === 0) index.delete(value);
    }
  }

  /** Deletes the reservations that have ended. @returns when the next one ends */
  expire(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { uid, untilMs = Number.POSITIVE_INFINITY } of this.byUid.values())
      if (untilMs <= now) this.delete(uid);
      else next = Math.min(next, untilMs);
    return next;
  }

  on(pod: string, nodeName: string): readonly Reservation[] {
    const uids = [...(this.byPod.get(pod) ?? []), ...(this.byNode.get(nodeName) ?? [])];
    return uids.flatMap((uid) => this.byUid.get(uid) ?? []);
  }
}

/** Requests of this process to engines whose outcome is not known yet. */
export class InFlight {
  private readonly reservations = new ReservationTable();
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
    return this.reservations.get(uid) !== undefined;
  }

  /** Returns the reservations of a pod or a node. */
  on(pod: string, nodeName: string): readonly Reservation[] {
    return this.reservations.on(pod, nodeName);
  }

  /** Reserves the slot synchronously. @returns the function that releases it */
  reserve(reservation: Reservation): () => void {
    this.reservations.set(reservation);
    return () => this.reservations.delete(reservation.uid);
  }

  /** Records that a reservation continues beyond the engine's timeout. @returns false if that is known */
  late(uid: string): boolean {
    const reservation = this.reservations.get(uid);
    if (reservation === undefined || reservation.isLate) return false;
    this.reservations.set({ ...reservation, isLate: true });
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
  /** Checkpoints in flight or with an unknown outcome, by `namespace/pod` and by node. */
  private readonly byPod: Index<CheckpointObject>;
  private readonly byNode: Index<CheckpointObject>;
  /** Reservations of Checkpoints that were deleted in flight. */
  private readonly deleted = new ReservationTable();
  private expiresMs = Number.POSITIVE_INFINITY;
  /** UIDs of Checkpoints with a known outcome, which the cache may not have yet. */
  private readonly ended = new Set<string>();

  constructor(
    private readonly objects: Objects<CheckpointObject> & Pick<CachedObjects<CheckpointObject>, "covers">,
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
    if (this.expiresMs <= now) this.expiresMs = this.deleted.expire(now);
    const found = new Map<string, Reservation>();
    for (const one of [...this.deleted.on(pod, nodeName), ...this.inFlight.on(pod, nodeName)])
      found.set(one.uid, one);
    for (const object of [...this.byNode(nodeName), ...this.byPod(pod)]) {
      const { uid } = object.metadata;
      // In flight, it may be recorded on another node.
      const reservation = found.has(uid) || this.inFlight.has(uid) ? undefined : this.recorded(object, now);
      if (reservation) found.set(reservation.uid, reservation);
    }
    found.delete(except);
    return [...found.values()];
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
    const timeoutMs = this.timeoutMs(object);
    const requested = phaseOf(object.status) === "requested";
    if (requested && this.objects.covers(object.metadata.namespace)) return reservationOf(object);
    // Nothing reports the end of an object whose namespace is denied: it may be deleted.
    const untilMs = requested ? openUntil(object.status, timeoutMs) : reservedUntil(object, timeoutMs);
    return untilMs !== undefined && untilMs > now ? { ...reservationOf(object), untilMs } : undefined;
  }

  private keepDeleted(object: CheckpointObject): void {
    const timeoutMs = this.timeoutMs(object);
    const requested = phaseOf(object.status) === "requested";
    const untilMs = requested ? Date.now() + timeoutMs : reservedUntil(object, timeoutMs);
    const { uid } = object.metadata;
    if (untilMs !== undefined && !this.ended.has(uid)) {
      this.deleted.set({ ...reservationOf(object), untilMs });
      this.expiresMs = Math.min(this.expiresMs, untilMs);
    }
    this.ended.delete(uid);
  }
}

function mayReserve(object: CheckpointObject): boolean {
  return phaseOf(object.status) === "requested" || reservedUntil(object, 0) !== undefined;
}
