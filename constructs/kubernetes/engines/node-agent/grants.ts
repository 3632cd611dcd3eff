import type { Kind } from "../../../../api";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../../../config/install";
import type { NamespacedGrant } from "../engine";

/** Returns the permissions on the objects by which the controller requests work from the agents. */
export function requestGrants(
  install: ResolvedInstall,
  id: "node-checkpoints" | "node-restores",
  { group, plural }: Kind,
): NamespacedGrant {
  const names = namesOf(install);
  return {
    id,
    name: id === "node-checkpoints" ? names.controllerNodeCheckpoints : names.controllerNodeRestores,
    namespaces: [agentNamespace(install)],
    rules: [{ apiGroups: [group], resources: [plural], verbs: ["get", "list", "watch", "create", "delete"] }],
  };
}
