import { pathOf } from "../client/objects";

/** What of a Lease says who leads. `coordination.k8s.io/v1`, LeaseSpec. */
export interface LeaseSpec {
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  /** MicroTime. Written for people: never compared with our clock. */
  readonly acquireTime?: string | null;
  /** MicroTime, likewise. */
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

/** A Lease as the API server has it. Fields that are not ours are sent back as they came. */
export interface Lease {
  readonly apiVersion: "coordination.k8s.io/v1";
  readonly kind: "Lease";
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string };
  readonly spec?: LeaseSpec | null;
}

/** Kubernetes' MicroTime of a moment in ms since the epoch. */
export function microTime(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}

const LEASE = { apiVersion: "coordination.k8s.io/v1", plural: "leases" };

/** Path of one Lease, and of all in its namespace. */
export function leasePath(namespace: string, name?: string): string {
  return pathOf(LEASE, namespace, name);
}

/** What changes when a holder renews or another takes over. Labels, annotations and resourceVersion do not count. */
export function recordOf({ spec }: Lease): string {
  return JSON.stringify([
    spec?.holderIdentity ?? "",
    spec?.leaseDurationSeconds ?? 0,
    spec?.acquireTime ?? "",
    spec?.renewTime ?? "",
    spec?.leaseTransitions ?? 0,
  ]);
}

/** A Lease that nobody has held yet. */
export function newLease(namespace: string, name: string): Lease {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace } };
}

/** The Lease as its holder `identity` writes it, new or again. */
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

/** The Lease as its holder gives it back: the next one need not wait. */
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
