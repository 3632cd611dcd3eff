import type { V1PolicyRule } from "@kubernetes/client-node";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../core";
import { CEDANA_CRD } from "../crds";
import { WORKLOAD_RULES } from "../rbac/rules";

const CHANGE = ["get", "update", "patch", "delete"];

/** Objects of the cluster that the install has, each by its name. `create` knows no name in Kubernetes. */
export function installClusterRules(install: ResolvedInstall): V1PolicyRule[] {
  const names = namesOf(install);
  const { manager, runtimeClass } = install;
  const roles = [
    names.managerRole,
    names.workloadRole,
    ...(manager.metrics ? [names.metricsProxy, names.metricsReader] : []),
  ];
  return [
    ...named("apiextensions.k8s.io", "customresourcedefinitions", [CEDANA_CRD]),
    ...(runtimeClass ? named("node.k8s.io", "runtimeclasses", [runtimeClass.name]) : []),
    ...named("rbac.authorization.k8s.io", "clusterroles", roles),
    ...named("rbac.authorization.k8s.io", "clusterrolebindings", roles),
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

/** Objects in the namespaces of the install. Secrets can be written but not read. */
export function installRules(): V1PolicyRule[] {
  const verbs = ["create", "list", "watch", ...CHANGE];
  return [
    { apiGroups: [""], resources: ["configmaps", "services", "serviceaccounts"], verbs },
    { apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "delete"] },
    { apiGroups: ["apps"], resources: ["daemonsets", "deployments"], verbs },
    { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"], verbs },
    { apiGroups: ["policy"], resources: ["poddisruptionbudgets"], verbs },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs },
    { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
  ];
}

/** The manager's rights in the namespaces of workloads, and the binding that gives them to it. */
export function workloadBindingRules(install: ResolvedInstall): V1PolicyRule[] {
  const all = install.manager.workloadNamespaces === "all";
  return [
    ...WORKLOAD_RULES,
    ...(all ? [] : named("rbac.authorization.k8s.io", "rolebindings", [namesOf(install).workloadRole])),
  ];
}
