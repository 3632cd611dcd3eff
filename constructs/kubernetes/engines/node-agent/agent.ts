import type { V1PolicyRule, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../../../config/install";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole, grantIn, subject } from "../../rbac";
import type { AgentConstruct } from "../engine";
import { healthCheckDaemonSet } from "./health-check";
import { helperDaemonSet } from "./helper";
import { settingsConfigMap, type NodeAgentInput } from "./input";
import {
  HEALTH_CHECK_NAMESPACE_RULES,
  healthCheckRules,
  helperNamespaceRules,
  ownNodePolicies,
} from "./permissions";

/** The agent on each node: helper, health check, their settings and permissions. */
export class NodeAgent extends Construct implements AgentConstruct {
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

  constructor(scope: Construct, id: string, input: NodeAgentInput) {
    super(scope, id);
    const { install, kinds } = input;
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
      ...this.grant(install, "helper", names.agentAccount, [], helperNamespaceRules(kinds)),
      ...this.grant(
        install,
        "health-check",
        names.healthCheck,
        healthCheckRules(install),
        HEALTH_CHECK_NAMESPACE_RULES,
      ),
    ];
    this.policies = ownNodePolicies(this, install, kinds);
    this.helper = object(this, "helper", helperDaemonSet(input));
    this.healthCheck = object(this, "health-check", healthCheckDaemonSet(input));
  }

  /** Gives an account rules in the whole cluster, if there are any, and rules in the namespace of the agents. */
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
      ...(rules.length === 0
        ? []
        : [
            clusterRole(this, install, `${component}-role`, { ...about, rules }),
            bindEverywhere(this, install, `${component}-role-binding`, { ...about, role: name }, [account]),
          ]),
      ...grantIn(this, install, `${component}-namespace`, namespace, { ...about, rules: namespaceRules }, [
        subject(account),
      ]),
    ];
  }
}
