import type { V1PolicyRule, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../../../config/install";
import type { EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole, grantIn, subject } from "../../rbac";
import type { AgentConstruct } from "../engine";
import { healthCheckDaemonSet } from "./health-check";
import { helperDaemonSet } from "./helper";
import { kubeletInputOf, settingsConfigMap } from "./input";
import {
  HEALTH_CHECK_NAMESPACE_RULES,
  HEALTH_CHECK_RULES,
  HELPER_NAMESPACE_RULES,
  HELPER_RULES,
  ownNodePolicies,
} from "./permissions";

/** The agent of the engine `kubelet`: helper and health check on each node, their settings and permissions. */
export class KubeletAgent extends Construct implements AgentConstruct {
  readonly serviceAccount: ApiObject;
  readonly helper: ApiObject;
  readonly healthCheck: ApiObject;
  /** `AgentSettings` as JSON. */
  readonly settings: ApiObject;
  readonly healthCheckAccount: ApiObject;
  /** Roles, ClusterRoles and their bindings. */
  readonly roles: readonly ApiObject[];
  /** ValidatingAdmissionPolicies and their bindings. */
  readonly policies: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = kubeletInputOf(this, props);
    const { install } = input;
    const names = namesOf(install);
    const namespace = agentNamespace(install);
    const account = (id: string, name: string, component?: string) =>
      object<V1ServiceAccount>(this, id, {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: metadata(install, { name, namespace, ...(component && { component }) }),
        automountServiceAccountToken: false,
      });

    this.serviceAccount = account("service-account", names.agentAccount);
    this.settings = object(this, "settings", settingsConfigMap(input));
    this.healthCheckAccount = account("health-check-account", names.healthCheck, "health-check");
    this.roles = [
      ...this.grant(install, "helper", names.agentAccount, HELPER_RULES, HELPER_NAMESPACE_RULES),
      ...this.grant(
        install,
        "health-check",
        names.healthCheck,
        HEALTH_CHECK_RULES,
        HEALTH_CHECK_NAMESPACE_RULES,
      ),
    ];
    this.policies = ownNodePolicies(this, install);
    this.helper = object(this, "helper", helperDaemonSet(input));
    this.healthCheck = object(this, "health-check", healthCheckDaemonSet(input));
  }

  /** Grants an account cluster-wide permissions, and permissions in the namespace of the agents. */
  private grant(
    install: ResolvedInstall,
    component: "helper" | "health-check",
    name: string,
    rules: V1PolicyRule[],
    namespaceRules: V1PolicyRule[],
  ): ApiObject[] {
    const namespace = agentNamespace(install);
    const about = { name, component };
    const account = { namespace, name };
    return [
      clusterRole(this, install, `${component}-role`, { ...about, rules }),
      bindEverywhere(this, install, `${component}-role-binding`, { ...about, role: name }, [account]),
      ...grantIn(this, install, `${component}-namespace`, namespace, { ...about, rules: namespaceRules }, [
        subject(account),
      ]),
    ];
  }
}
