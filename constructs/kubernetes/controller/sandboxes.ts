/** Limits of the sandbox pods that the controller creates. */
import type { V1NetworkPolicy, V1PolicyRule } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import {
  APPARMOR_ANNOTATION,
  AUTOMATION_GROUP,
  BASELINE_CAPABILITIES,
  REQUEST,
  RESTORE_VERB,
  RESTORED_FROM,
  SANDBOX,
} from "../../../api";
import { checkpointsOf, namesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy, list, mapAt, sentBy, text, type Rule } from "../admission";
import { metadata, object } from "../object";

/** Permissions of the controller in the namespaces of checkpoints. */
export const SANDBOX_RULES: readonly V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete"] },
  // Otherwise the webhook of restores is not called for its pods.
  { apiGroups: [AUTOMATION_GROUP], resources: ["checkpoints"], verbs: [RESTORE_VERB] },
  { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["list"] },
];

const VOLUMES = ["name", "configMap", "downwardAPI", "emptyDir", "projected", "secret"];
/** Longest `activeDeadlineSeconds`: the maximum of `timeoutSeconds`. */
const MAX_SECONDS = 3600;

const pods = (operations: Rule["operations"]): Rule => ({
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["pods"],
  operations,
  scope: "Namespaced",
});

/** Tests whether the seccomp and AppArmor profiles of a pod or container limit it. None set: the one of the pod, or of the node. */
const confined = (root: string) =>
  ["seccompProfile", "appArmorProfile"]
    .map((field) => `${root}.?securityContext.?${field}.?type.orValue('') != 'Unconfined'`)
    .join(" && ");

/** Returns the policies with their bindings, and a NetworkPolicy in each namespace of checkpoints. */
export function sandboxes(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return [...createBound(scope, install), ...deleteBound(scope, install), ...isolation(scope, install)];
}

/** The pods that the controller may create: its sandbox pods. It sees them after all webhooks. */
function createBound(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const spec = "object.spec";
  const annotation = (key: string) => `variables.annotations[?${text(key)}].orValue('')`;
  const rules: readonly (readonly [expression: string, message: string])[] = [
    [
      `variables.labels.all(key, key in ${list([SANDBOX.label, RESTORED_FROM])}) && ${text(SANDBOX.label)} in variables.labels`,
      `the controller creates only pods with the labels ${SANDBOX.label} and ${RESTORED_FROM}, and no others: no Service may select them`,
    ],
    // One that cannot be restored is rejected by the policy of restores, which has the reason.
    [
      `${annotation(REQUEST.from)} != '' && ${annotation(REQUEST.fallback)} == 'stop' && ${annotation(REQUEST.shared)} == 'true'`,
      "the controller creates only pods that are restored from a shared checkpoint, or do not start",
    ],
    [
      "object.metadata.?ownerReferences.orValue([]).all(owner, owner.kind == 'Checkpoint' && !owner.?controller.orValue(false)) && object.metadata.?ownerReferences.orValue([]).size() == 1",
      "a sandbox pod is owned by its Checkpoint only, and has no controller",
    ],
    [
      `${spec}.?automountServiceAccountToken.orValue(true) == false && ${spec}.?serviceAccountName.orValue('default') == 'default'`,
      "a sandbox pod has no ServiceAccount and no token",
    ],
    [
      `!${spec}.?hostNetwork.orValue(false) && !${spec}.?hostPID.orValue(false) && !${spec}.?hostIPC.orValue(false) && ${spec}.?hostUsers.orValue(true)`,
      "a sandbox pod has no namespaces of the node",
    ],
    [
      "variables.containers.all(one, !one.?securityContext.?privileged.orValue(false) && one.?ports.orValue([]).all(port, port.?hostPort.orValue(0) == 0) && one.?volumeDevices.orValue([]).size() == 0)",
      "no container of a sandbox pod is privileged, or has ports or devices of the node",
    ],
    [
      `variables.containers.all(one, one.?securityContext.?capabilities.?add.orValue([]).all(added, added in ${list(BASELINE_CAPABILITIES)}))`,
      `a container of a sandbox pod adds no capabilities but ${BASELINE_CAPABILITIES.join(", ")}`,
    ],
    [
      "variables.containers.all(one, one.?securityContext.?procMount.orValue('Default') == 'Default')",
      "a container of a sandbox pod has the procMount Default",
    ],
    [
      `${confined(spec)} && variables.containers.all(one, ${confined("one")}) && variables.annotations.all(key, !key.startsWith(${text(APPARMOR_ANNOTATION)}) || variables.annotations[key] != 'unconfined')`,
      "the seccomp and AppArmor profiles of a sandbox pod and its containers are not Unconfined",
    ],
    // The account may not add them later. Which containers the checkpoint has is not in the pod.
    [`${spec}.?ephemeralContainers.orValue([]).size() == 0`, "a sandbox pod has no ephemeral containers"],
    [
      `${spec}.?initContainers.orValue([]).all(one, one.?restartPolicy.orValue('') == 'Always')`,
      "a sandbox pod has no init containers but sidecars",
    ],
    [
      `${spec}.?volumes.orValue([]).all(volume, ${VOLUMES.slice(1)
        .map((field) => `has(volume.${field})`)
        .join(" || ")})`,
      `volumes of a sandbox pod have one of the types ${VOLUMES.slice(1).join(", ")}`,
    ],
    [
      `${spec}.?volumes.orValue([]).all(volume, !has(volume.projected) || volume.projected.?sources.orValue([]).all(source, !has(source.serviceAccountToken)))`,
      "a sandbox pod has no token of a ServiceAccount",
    ],
    [
      `${spec}.?activeDeadlineSeconds.orValue(${MAX_SECONDS + 1}) <= ${MAX_SECONDS}`,
      `a sandbox pod ends after at most ${MAX_SECONDS} s`,
    ],
  ];
  return admissionPolicy(scope, install, {
    id: "sandboxes-bound",
    name: namesOf(install).controllerSandboxes,
    component: "controller",
    rules: [pods(["CREATE"])],
    matchConditions: sentBy(install, "controller"),
    variables: [
      { name: "labels", expression: mapAt("object", ["metadata", "labels"]) },
      { name: "annotations", expression: mapAt("object", ["metadata", "annotations"]) },
      { name: "containers", expression: `${spec}.containers + ${spec}.?initContainers.orValue([])` },
    ],
    validations: rules.map(([expression, message]) => ({ expression, message, reason: "Forbidden" })),
  });
}

/** The pods that the controller may delete. */
function deleteBound(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return admissionPolicy(scope, install, {
    id: "sandboxes-delete",
    name: `${namesOf(install).controllerSandboxes}-delete`,
    component: "controller",
    rules: [pods(["DELETE"])],
    matchConditions: sentBy(install, "controller"),
    validations: [
      {
        expression: `${text(SANDBOX.label)} in ${mapAt("oldObject", ["metadata", "labels"])}`,
        message: `the controller deletes only pods with the label ${SANDBOX.label}`,
        reason: "Forbidden",
      },
    ],
  });
}

/** No connection from or to a sandbox pod. Other policies that select it must permit nothing either: the controller checks that. */
function isolation(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const settings = checkpointsOf(install);
  const namespaces = settings && settings.namespaces !== "all" ? settings.namespaces : [];
  const name = namesOf(install).sandboxes;
  return [...new Set(namespaces)].map((namespace) =>
    object<V1NetworkPolicy>(scope, `isolation-${namespace}`, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: metadata(install, { name, namespace, component: "controller" }),
      spec: {
        podSelector: { matchExpressions: [{ key: SANDBOX.label, operator: "Exists" }] },
        policyTypes: ["Ingress", "Egress"],
      },
    }),
  );
}
