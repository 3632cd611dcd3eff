import type { OwnerFilter } from "../../../api";
import type { Filter, PolicyPod } from "../core/types";

/** Pods that one of these controllers owns. The owner of a pod that was never seen is not known: it may have any. */
export const owners: Filter<readonly OwnerFilter[]> = {
  matches: (filters, { owner }) => isOwned(filters, owner),
  matchesRecorded: (filters, { owner, isKnown }) => isKnown && isOwned(filters, owner),
};

function isOwned(filters: readonly OwnerFilter[], owner: PolicyPod["owner"]): boolean {
  return filters.some(({ kind, names }) => {
    if (kind === "None") return owner === undefined;
    if (owner === undefined) return false;
    // A ReplicaSet of a Deployment is an owner too.
    const name = kind === "ReplicaSet" ? (owner.replicaSet ?? nameIf(owner, kind)) : nameIf(owner, kind);
    return name !== undefined && (names?.includes(name) ?? true);
  });
}

function nameIf(owner: { readonly kind: string; readonly name: string }, kind: string): string | undefined {
  return owner.kind === kind ? owner.name : undefined;
}
