import type { OwnerFilter } from "../../../api";
import type { Filter } from "../core/types";

/** Pods that one of these controllers owns. */
export const owners: Filter<readonly OwnerFilter[]> = {
  matches: (filters, { owner }) =>
    filters.some(({ kind, names }) => {
      if (kind === "None") return owner === undefined;
      if (owner === undefined) return false;
      // A ReplicaSet of a Deployment is an owner too.
      const name = kind === "ReplicaSet" ? (owner.replicaSet ?? nameIf(owner, kind)) : nameIf(owner, kind);
      return name !== undefined && (names?.includes(name) ?? true);
    }),
};

function nameIf(owner: { readonly kind: string; readonly name: string }, kind: string): string | undefined {
  return owner.kind === kind ? owner.name : undefined;
}
