/** Permissions of helper and health check: RBAC rules, and admission policies that limit each agent to its own node. */
import type { V1PolicyRule } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP, type Kind } from "../../../../api";
import { namesOf, type ResolvedInstall } from "../../../../config/install";
import { admissionPolicy, identityRule, sentBy, unchanged, type Policy } from "../../admission";

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

/** Returns the cluster-wide permissions of the health check: reading its Node, and being identified by a policy. */
export function healthCheckRules(install: ResolvedInstall): V1PolicyRule[] {
  return [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }, identityRule(install, "health-check")];
}

/** Permissions of the health check in the namespace of the agents. */
export const HEALTH_CHECK_NAMESPACE_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
];

/** Returns a value of the token's pod as a list: empty if the token is not bound to a pod. */
function claim(name: "node-name" | "pod-name" | "pod-uid"): string {
  return `request.userInfo.?extra[?'authentication.kubernetes.io/${name}'].orValue([])`;
}

/**
 * Returns a policy and its binding for each of the two accounts. RBAC cannot limit an account to objects of one node, but the
 * token of a pod contains its pod and node. Neither depends on the name of an account.
 */
export function ownNodePolicies(
  scope: Construct,
  install: ResolvedInstall,
  kinds: readonly Kind[],
): ApiObject[] {
  return [
    ...admissionPolicy(scope, install, ownNode(install, kinds)),
    ...admissionPolicy(scope, install, ownPod(install)),
  ];
}

/** Applies to all accounts, but those that may write the requests themselves, as administrators. */
function ownNode(install: ResolvedInstall, kinds: readonly Kind[]): Policy {
  const { agentOwnNode: name } = namesOf(install);
  const resource = `authorizer.group('${AUTOMATION_GROUP}').resource(request.resource.resource)`;
  return {
    id: name,
    name,
    rules: [
      {
        apiGroups: [AUTOMATION_GROUP],
        apiVersions: ["*"],
        resources: kinds.map(statusOf),
        operations: ["UPDATE"],
        scope: "Namespaced",
      },
    ],
    variables: [
      { name: "nodeOfToken", expression: claim("node-name") },
      {
        name: "administers",
        expression: `${resource}.namespace(request.namespace).check('update').allowed()`,
      },
    ],
    validations: [
      {
        expression: "variables.nodeOfToken == [object.spec.nodeName] || variables.administers",
        message: `the agent of a node writes the status of that node's ${kinds.map(({ kind }) => `${kind}s`).join(" and ")} only`,
        reason: "Forbidden",
      },
    ],
  };
}

function ownPod(install: ResolvedInstall): Policy {
  const { healthCheckOwnPod: name } = namesOf(install);
  return {
    id: name,
    name,
    rules: [
      {
        apiGroups: [""],
        apiVersions: ["v1"],
        resources: ["pods/status"],
        operations: ["UPDATE"],
        scope: "Namespaced",
      },
    ],
    matchConditions: sentBy(install, "health-check"),
    variables: [
      { name: "podOfToken", expression: claim("pod-name") },
      { name: "uidOfToken", expression: claim("pod-uid") },
    ],
    validations: [
      {
        expression:
          "variables.podOfToken == [object.metadata.name] && variables.uidOfToken == [object.metadata.uid]",
        message: "the health check writes the status of its own pod only",
        reason: "Forbidden",
      },
      {
        // The API server takes changes of labels and annotations with those of the status.
        expression: unchanged(["labels", "annotations", "finalizers"].map((name) => ["metadata", name])),
        message: "the health check writes no metadata of its pod",
        reason: "Forbidden",
      },
    ],
  };
}
