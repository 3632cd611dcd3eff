import { pathOf } from "../client/objects";
import { isNotFound } from "../client/errors";
import type { Transport } from "../client/transport";

/** The fields of a Lease that name its holder. `coordination.k8s.io/v1`, LeaseSpec. */
export interface LeaseSpec {
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  /** MicroTime, for information only: never compared with the local clock. */
  readonly acquireTime?: string | null;
  /** MicroTime, for information only. */
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

/** A Lease as the API server returns it. Other fields are sent back unchanged. */
export interface Lease {
  readonly apiVersion: "coordination.k8s.io/v1";
  readonly kind: "Lease";
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string };
  readonly spec?: LeaseSpec | null;
}

/** Formats ms since the epoch as Kubernetes' MicroTime. */
export function microTime(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}

const LEASE = { apiVersion: "coordination.k8s.io/v1", plural: "leases" };

/** Returns the path of a Lease, or without a name of all Leases in the namespace. */
export function leasePath(namespace: string, name?: string): string {
  return pathOf(LEASE, namespace, name);
}

/** Returns the fields that a renewal or a new holder changes, as text. Other fields do not count. */
export function recordOf({ spec }: Lease): string {
  return JSON.stringify([
    spec?.holderIdentity ?? "",
    spec?.leaseDurationSeconds ?? 0,
    spec?.acquireTime ?? "",
    spec?.renewTime ?? "",
    spec?.leaseTransitions ?? 0,
  ]);
}

/** Returns a Lease without a holder. */
export function newLease(namespace: string, name: string): Lease {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace } };
}

/** Returns the Lease as `identity` writes it to acquire or renew it. */
export function heldBy(lease: Lease, identity: string, durationMs: number, now: number): Lease {
  const before = lease.spec ?? {};
  const again = before.holderIdentity === identity;
  const isNew = lease.metadata.resourceVersion === undefined;
  return {
    ...lease,
    spec: {
      ...before,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: again ? before.acquireTime : microTime(now),
      renewTime: microTime(now),
      leaseTransitions: (before.leaseTransitions ?? 0) + (again || isNew ? 0 : 1),
    },
  };
}

/** Returns the Lease without its holder, so that the next one does not have to wait. */
export function released(lease: Lease, now: number): Lease {
  return {
    ...lease,
    spec: {
      ...lease.spec,
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: microTime(now),
      renewTime: microTime(now),
    },
  };
}

/** Bounds of one request. */
export interface Bounds {
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
}

export interface LeaseClaimOptions {
  readonly transport: Pick<Transport, "send">;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly durationMs: number;
}

/**
 * One process's view of a Lease, and its claim to it. Times are those of `performance.now()`.
 *
 * A lease has expired when its record did not change for its duration while this process observed it. The times in the
 * record are never compared with the local clock.
 */
export class LeaseClaim {
  /** The Lease as last read or written; undefined if there is none. */
  private lease?: Lease;
  /** The last observed record. Kept if the object is deleted, because its holder may not have noticed. */
  private record = "";
  private sinceMs = 0;
  private durationMs = 0;
  /** Identity of the holder, as last seen; empty if the lease is free. */
  holder = "";
  /** Whether a write was sent whose outcome is unknown. */
  unsure = false;

  constructor(private readonly options: LeaseClaimOptions) {}

  /** Returns how long the record as last seen is valid, ms; 0 or less if the lease can be taken. */
  leftMs(): number {
    return this.holder === "" ? 0 : this.sinceMs + this.durationMs - performance.now();
  }

  /**
   * Acquires the lease or renews it, unless another process holds it.
   *
   * @returns when the request began that took or renewed the lease; undefined if another process holds it
   * @throws ApiError 409 if another wrote first; what `send` throws
   */
  async claim(bounds: Bounds): Promise<number | undefined> {
    const { namespace, name, identity, durationMs } = this.options;
    if (this.unsure || this.holder !== identity) await this.read(bounds);
    if (this.holder !== identity && this.leftMs() > 0) return undefined;
    const beganMs = performance.now();
    await this.write(
      heldBy(this.lease ?? newLease(namespace, name), identity, durationMs, Date.now()),
      bounds,
    );
    return beganMs;
  }

  /**
   * Releases the lease, if this process holds it.
   * @throws as `claim`
   */
  async release(bounds: Bounds): Promise<void> {
    if (this.unsure) await this.read(bounds);
    if (this.lease === undefined || this.holder !== this.options.identity) return;
    await this.write(released(this.lease, Date.now()), bounds);
  }

  private async read(bounds: Bounds): Promise<void> {
    const { transport, namespace, name } = this.options;
    try {
      this.see((await transport.send("GET", leasePath(namespace, name), undefined, bounds)) as Lease);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.lease = undefined;
    }
    this.unsure = false;
  }

  private async write(lease: Lease, bounds: Bounds): Promise<void> {
    const { transport, namespace, name } = this.options;
    const body = { type: "application/json", content: lease };
    this.unsure = true;
    const written =
      lease.metadata.resourceVersion === undefined
        ? await transport.send("POST", leasePath(namespace), body, bounds)
        : await transport.send("PUT", leasePath(namespace, name), body, bounds);
    this.see(written as Lease);
    this.unsure = false;
  }

  private see(lease: Lease): void {
    this.lease = lease;
    const record = recordOf(lease);
    if (record === this.record) return;
    this.record = record;
    this.sinceMs = performance.now();
    this.holder = lease.spec?.holderIdentity ?? "";
    this.durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
  }
}
