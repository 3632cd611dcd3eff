import { agentNamespace, type ResolvedInstall } from "../../../config/install";

/** Kubernetes' own namespaces: nothing in them waits for this webhook. */
const SYSTEM = ["kube-system", "kube-node-lease", "kube-public"];

/** Namespaces whose pods can be restored; never our own, whose pods would wait for themselves. */
export function namespaceSelector(install: ResolvedInstall, namespaces: "all" | readonly string[]) {
  const own = [install.namespace, agentNamespace(install)];
  const key = "kubernetes.io/metadata.name";
  const expression =
    namespaces === "all"
      ? { key, operator: "NotIn", values: [...new Set([...SYSTEM, ...own])] }
      : { key, operator: "In", values: namespaces.filter((name) => !own.includes(name)) };
  return { matchExpressions: [expression] };
}
