/** Permissions of helper and health check: RBAC rules, and admission policies that limit each agent to its own node. */
import type {
  V1PolicyRule,
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP, type Kind } from "../../../../api";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../../../config/install";
import { metadata, object } from "../../object";

/** Returns the permissions of the helper in the namespace of the agents: it follows its requests and writes their status. */
export function helperNamespaceRules(kinds: readonly Kind[]): V1PolicyRule[] {
  return [
    {
      apiGroups: [AUTOMATION_GROUP],
      resources: kinds.map(({ plural }) => plural),
      verbs: ["get", "list", "watch"],
    },
    { apiGroups: [AUTOMATION_GROUP], resources: kinds.map(statusOf), verbs: ["patch"] },
  ];
}

const statusOf = ({ plural }: Kind) => `${plural}/status`;

/** Cluster-wide permissions of the health check: reading its Node. */
export const HEALTH_CHECK_RULES: V1PolicyRule[] = [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }];

/** Permissions of the health check in the namespace of the agents. */
export const HEALTH_CHECK_NAMESPACE_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
];

const API = "admissionregistration.k8s.io/v1";

interface Guard {
  readonly name: string;
  readonly account: string;
  readonly resource: {
    readonly apiGroups: string[];
    readonly apiVersions: string[];
    readonly resources: string[];
  };
  readonly expression: string;
  readonly message: string;
}

/** Returns the value of a claim of the pod's token. A missing claim fails the request. */
function claim(name: "node-name" | "pod-name" | "pod-uid"): string {
  return `request.userInfo.extra['authentication.kubernetes.io/${name}'][0]`;
}

/**
 * Returns a policy and its binding for each of the two accounts. RBAC cannot limit an account to objects of one node, but the
 * token of a pod contains its pod and node.
 */
export function ownNodePolicies(
  scope: Construct,
  install: ResolvedInstall,
  kinds: readonly Kind[],
): ApiObject[] {
  const names = namesOf(install);
  const guards: Guard[] = [
    {
      name: names.agentOwnNode,
      account: names.agentAccount,
      resource: {
        apiGroups: [AUTOMATION_GROUP],
        apiVersions: ["*"],
        resources: kinds.map(statusOf),
      },
      expression: `object.spec.nodeName == ${claim("node-name")}`,
      message: `the agent of a node writes the status of that node's ${kinds.map(({ kind }) => `${kind}s`).join(" and ")} only`,
    },
    {
      name: names.healthCheckOwnPod,
      account: names.healthCheck,
      resource: { apiGroups: [""], apiVersions: ["v1"], resources: ["pods/status"] },
      expression: `object.metadata.name == ${claim("pod-name")} && object.metadata.uid == ${claim("pod-uid")}`,
      message: "the health check writes the status of its own pod only",
    },
  ];
  return guards.flatMap((guard) => policyAndBinding(scope, install, guard));
}

function policyAndBinding(
  scope: Construct,
  install: ResolvedInstall,
  { name, account, resource, expression, message }: Guard,
): ApiObject[] {
  const about = metadata(install, { name });
  const user = `system:serviceaccount:${agentNamespace(install)}:${account}`;
  return [
    object<V1ValidatingAdmissionPolicy>(scope, name, {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicy",
      metadata: about,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: { resourceRules: [{ ...resource, operations: ["UPDATE"], scope: "Namespaced" }] },
        matchConditions: [{ name: "account", expression: `request.userInfo.username == '${user}'` }],
        validations: [{ expression, message, reason: "Forbidden" }],
      },
    }),
    object<V1ValidatingAdmissionPolicyBinding>(scope, `${name}.binding`, {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: about,
      spec: { policyName: name, validationActions: ["Deny"] },
    }),
  ];
}
