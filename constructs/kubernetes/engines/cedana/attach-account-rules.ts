import type { V1PolicyRule } from "@kubernetes/client-node";
import { kindsOf } from "../../../../api";
import { agentNamespace, gateOwner } from "../../../../config/install";
import { controllerGrants } from "../../controller/grants";
import type { NamespacedGrant } from "../engine";
import { checkpointGrants } from "./grants";
import type { CedanaInput } from "./input";
import { dynamoRules, METRICS_PROXY_RULES, METRICS_READER_RULES, WORKLOAD_RULES } from "./rbac";

const RBAC = "rbac.authorization.k8s.io";
const CHANGE = ["get", "update", "patch", "delete"];

/** Returns permissions on the cluster-scoped objects of the install, by name. Kubernetes cannot limit `create` to a name. */
export function installClusterRules({ engine, install, names }: CedanaInput): V1PolicyRule[] {
  const { manager, runtimeClass } = engine;
  const roles = [names.managerRole, ...(manager.metrics ? [names.metricsProxy, names.metricsReader] : [])];
  return [
    ...named(
      "apiextensions.k8s.io",
      "customresourcedefinitions",
      kindsOf(engine.kind).map(({ crdName }) => crdName),
    ),
    ...(runtimeClass ? named("node.k8s.io", "runtimeclasses", [runtimeClass.name]) : []),
    ...(gateOwner(install) === "nodeReadinessRule"
      ? named("readiness.node.x-k8s.io", "nodereadinessrules", [install.name])
      : []),
    ...named(RBAC, "clusterroles", roles),
    ...named(RBAC, "clusterrolebindings", roles),
    {
      apiGroups: [""],
      resources: ["namespaces"],
      resourceNames: [...new Set([install.namespace, agentNamespace(install)])],
      verbs: ["get", "patch"],
    },
  ];
}

function named(group: string, resource: string, resourceNames: string[]): V1PolicyRule[] {
  return [
    { apiGroups: [group], resources: [resource], verbs: ["create"] },
    { apiGroups: [group], resources: [resource], resourceNames, verbs: CHANGE },
  ];
}

/** Returns permissions in the namespaces of the install. Secrets can be written, but not read. */
export function installRules({ engine: { manager }, install: { controller } }: CedanaInput): V1PolicyRule[] {
  const verbs = ["create", "list", "watch", ...CHANGE];
  return [
    { apiGroups: [""], resources: ["configmaps", "services", "serviceaccounts"], verbs },
    { apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "delete"] },
    { apiGroups: ["apps"], resources: ["daemonsets", "deployments"], verbs },
    { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"], verbs },
    { apiGroups: ["policy"], resources: ["poddisruptionbudgets"], verbs },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs },
    { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
    ...([manager, controller || undefined].some((one) => one?.metrics && one.metrics.serviceMonitor)
      ? [{ apiGroups: ["monitoring.coreos.com"], resources: ["servicemonitors"], verbs }]
      : []),
  ];
}

/** Returns the permissions of the metrics proxy and those that it requires of clients. */
export function metricsRules({ engine: { manager } }: CedanaInput): V1PolicyRule[] {
  return manager.metrics ? [...METRICS_PROXY_RULES, ...METRICS_READER_RULES] : [];
}

/** Returns the namespaced permissions of manager, controller and Dynamo watcher, and those on their Roles and bindings. */
export function namespacedGrants(input: CedanaInput): Omit<NamespacedGrant, "name">[] {
  const { engine, names } = input;
  const { dynamoWatcher, manager } = engine;
  return [
    grant("workloads", names.workloadRole, manager.workloadNamespaces, WORKLOAD_RULES),
    ...(dynamoWatcher
      ? [
          grant(
            "dynamo",
            names.dynamoWatcher,
            dynamoWatcher.namespaces,
            dynamoRules(dynamoWatcher.createLoadBalancer),
          ),
        ]
      : []),
    ...controllerGrants(input, checkpointGrants()).map(({ id, name, namespaces, rules }) =>
      grant(`controller-${id}`, name, namespaces, rules),
    ),
  ];
}

function grant(
  id: string,
  role: string,
  namespaces: NamespacedGrant["namespaces"],
  rules: V1PolicyRule[],
): Omit<NamespacedGrant, "name"> {
  const [roles, bindings] =
    namespaces === "all" ? ["clusterroles", "clusterrolebindings"] : ["roles", "rolebindings"];
  return {
    id,
    namespaces,
    rules: [...rules, ...named(RBAC, roles, [role]), ...named(RBAC, bindings, [role])],
  };
}
