/** The agent of the engine `kubelet`: what runs on each node, what it is told, what it may do. */
import type { V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { agentNamespace, namesOf } from "../../../../config/install";
import type { KubeletInput } from "../../input";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole, grantIn, subject } from "../../rbac/bindings";
import { ownNodePolicies } from "./own-node-policy";
import {
  HEALTH_CHECK_NAMESPACE_RULES,
  HEALTH_CHECK_RULES,
  HELPER_NAMESPACE_RULES,
  HELPER_RULES,
} from "./rights";
import { settingsConfigMap } from "./settings";

export { HEALTH_CONDITION } from "../../../../config/programs/agent";
export { healthCheckDaemonSet } from "./health-check";
export { helperDaemonSet } from "./helper";
export { removalDaemonSet } from "./removal";

export interface KubeletAgentObjects {
  /** `AgentSettings` as JSON. */
  readonly settings: ApiObject;
  readonly healthCheckAccount: ApiObject;
  /** Roles, ClusterRoles and their bindings. */
  readonly roles: readonly ApiObject[];
  /** ValidatingAdmissionPolicies and their bindings. */
  readonly policies: readonly ApiObject[];
}

/** All but the helper's account and the two DaemonSets, which every engine has. */
export function kubeletAgentObjects(scope: Construct, input: KubeletInput): KubeletAgentObjects {
  const { install } = input;
  const names = namesOf(install);
  const namespace = agentNamespace(install);
  const grant = (component: "helper" | "health-check", name: string, rules: typeof HELPER_RULES) => {
    const about = { name, component, rules };
    const account = { namespace, name };
    return [
      clusterRole(scope, install, `${component}-role`, about),
      bindEverywhere(scope, install, `${component}-role-binding`, { ...about, role: name }, [account]),
      ...grantIn(
        scope,
        install,
        `${component}-namespace`,
        namespace,
        { ...about, rules: component === "helper" ? HELPER_NAMESPACE_RULES : HEALTH_CHECK_NAMESPACE_RULES },
        [subject(account)],
      ),
    ];
  };
  return {
    settings: object(scope, "settings", settingsConfigMap(input)),
    healthCheckAccount: object<V1ServiceAccount>(scope, "health-check-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { name: names.healthCheck, namespace, component: "health-check" }),
      automountServiceAccountToken: false,
    }),
    roles: [
      ...grant("helper", names.agentAccount, HELPER_RULES),
      ...grant("health-check", names.healthCheck, HEALTH_CHECK_RULES),
    ],
    policies: ownNodePolicies(scope, install),
  };
}
