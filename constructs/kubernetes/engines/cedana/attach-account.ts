import type { V1PolicyRule, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { kindsOf } from "../../../../api";
import { agentNamespace, gateOwner, policiesOf } from "../../../../config/install";
import { controllerGrants } from "../../controller/grants";
import type { NamespacedGrant } from "../engine";
import { cedanaInputOf, checkpointGrants, type CedanaInput } from "./input";
import {
  METRICS_PROXY_RULES,
  METRICS_READER_RULES,
  WORKLOAD_RULES,
  clusterRules,
  dynamoRules,
  leaderElectionRules,
} from "./rbac";
import { enabled, type EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole, grantIn, grantWhere, subject } from "../../rbac";

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
      kindsOf(engine.kind, policiesOf(install) !== false).map(({ crdName }) => crdName),
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

/**
 * The account for Cedana's platform when a cluster is attached. By default it may install and uninstall the objects of this
 * install, except its own, those of Kueue and admission policies, which also keep the CRDs, and grant only permissions that they have. Such an account can run privileged
 * pods in the agent's namespace, and so become root on its nodes: an account that installs a node agent cannot have less.
 * `cluster-admin` must be configured explicitly. No token is stored: `tokenRequesters` may request a token that expires
 * (`kubectl create token --duration 1h`).
 */
export class AttachAccount extends Construct {
  readonly serviceAccount: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const { namespace } = install;
    const settings = enabled(this, ["engine", "attachAccount"], engine.attachAccount);
    const name = names.attachAccount;
    const about = { name, component: "attach" };
    const account = { namespace, name };

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { ...about, namespace }),
      automountServiceAccountToken: false,
    });

    if (settings.permissions === "cluster-admin") {
      // A separate name, because the role of an existing binding cannot be changed.
      const admin = { ...about, name: `${name}-cluster-admin`, role: "cluster-admin" };
      bindEverywhere(this, install, "cluster-admin", admin, [account]);
    } else {
      // Kubernetes requires that an account has every permission that it grants.
      const rules = [...installClusterRules(input), ...clusterRules(input), ...metricsRules(input)];
      clusterRole(this, install, "cluster", { ...about, rules });
      bindEverywhere(this, install, "cluster-binding", { ...about, role: name }, [account]);
      const home = [...installRules(input), ...leaderElectionRules(engine.manager.leaseName)];
      for (const namespace of new Set([install.namespace, agentNamespace(install)])) {
        grantIn(this, install, `home-${namespace}`, namespace, { ...about, rules: home }, [subject(account)]);
      }
      for (const { id, namespaces, rules } of namespacedGrants(input)) {
        grantWhere(this, install, id, namespaces, { ...about, name: `${name}-${id}`, rules }, account);
      }
    }

    if (settings.tokenRequesters.length > 0) {
      grantIn(
        this,
        install,
        "token",
        namespace,
        {
          ...about,
          name: `${name}-token`,
          rules: [
            {
              apiGroups: [""],
              resources: ["serviceaccounts/token"],
              resourceNames: [name],
              verbs: ["create"],
            },
          ],
        },
        settings.tokenRequesters.map(({ kind, name }) => ({
          apiGroup: "rbac.authorization.k8s.io",
          kind,
          name,
        })),
      );
    }
  }
}
