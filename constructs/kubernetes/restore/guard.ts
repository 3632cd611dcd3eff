/** Policies that check who may request a restore, because Kubernetes has no permission to set an annotation. */
import type {
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
  V1Variable,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import {
  AUTOMATION_GROUP,
  FALLBACKS,
  LATEST,
  RECORD,
  REQUEST,
  RESTORED_FROM,
  RESTORE_VERB,
} from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { metadata, object } from "../object";
import { BY_KUBERNETES, list, mayRestore, namespaceSelector } from "./cel";

const API = "admissionregistration.k8s.io/v1";

const RECORDS = list(Object.values(RECORD));

interface Kind {
  readonly id: string;
  /** Path to the metadata of the pod or pod template. */
  readonly path: readonly string[];
  readonly resources: readonly {
    readonly apiGroups: string[];
    readonly apiVersions: string[];
    readonly resources: string[];
  }[];
}

const KINDS: readonly Kind[] = [
  {
    id: "pods",
    path: ["metadata"],
    resources: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
  },
  {
    id: "templates",
    path: ["spec", "template", "metadata"],
    resources: [
      {
        apiGroups: ["apps"],
        apiVersions: ["v1"],
        resources: ["deployments", "replicasets", "statefulsets", "daemonsets"],
      },
      { apiGroups: ["batch"], apiVersions: ["v1"], resources: ["jobs"] },
      { apiGroups: [""], apiVersions: ["v1"], resources: ["replicationcontrollers"] },
    ],
  },
  {
    id: "cronjobs",
    path: ["spec", "jobTemplate", "spec", "template", "metadata"],
    resources: [{ apiGroups: ["batch"], apiVersions: ["v1"], resources: ["cronjobs"] }],
  },
];

/** Returns a policy and its binding for pods, for kinds with a pod template, and for CronJobs, whose template is nested. */
export function restoreGuards(
  scope: Construct,
  install: ResolvedInstall,
  namespaces: "all" | readonly string[],
): ApiObject[] {
  return KINDS.flatMap((kind) => {
    const name = `${namesOf(install).restore}-${kind.id}`;
    const about = metadata(install, { name, component: "controller" });
    return [
      object<V1ValidatingAdmissionPolicy>(scope, kind.id, {
        apiVersion: API,
        kind: "ValidatingAdmissionPolicy",
        metadata: about,
        spec: {
          failurePolicy: "Fail",
          matchConstraints: {
            resourceRules: kind.resources.map((rule) => ({
              ...rule,
              operations: ["CREATE", "UPDATE"],
              scope: "Namespaced",
            })),
          },
          matchConditions: [{ name: "relevant", expression: relevant(kind) }],
          variables: variables(kind, install),
          validations: [...requestRules(), ...(kind.id === "pods" ? podRules() : templateRules())],
        },
      }),
      object<V1ValidatingAdmissionPolicyBinding>(scope, `${kind.id}.binding`, {
        apiVersion: API,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: about,
        spec: {
          policyName: name,
          validationActions: ["Deny"],
          matchResources: { namespaceSelector: namespaceSelector(install, namespaces) },
        },
      }),
    ];
  });
}

/** Returns `has()` for each step of the path: a template or its metadata may be missing. */
function has(root: string, path: readonly string[]): string {
  return path.map((_, index) => `has(${[root, ...path.slice(0, index + 1)].join(".")})`).join(" && ");
}

/** Tests whether the object has any of our keys, before or after the change. Other objects are not evaluated further. */
function relevant({ path }: Kind): string {
  const within = (root: string) => {
    const metadata = [root, ...path].join(".");
    const annotated = `${has(root, [...path, "annotations"])} && ${metadata}.annotations.exists(key, key.startsWith('cedana.ai/restore-'))`;
    const labelled = `${has(root, [...path, "labels"])} && '${RESTORED_FROM}' in ${metadata}.labels`;
    return `(${annotated}) || (${labelled})`;
  };
  return `${within("object")} || (request.operation == 'UPDATE' && (${within("oldObject")}))`;
}

/** Returns the CEL variables of the rules. */
function variables({ path }: Kind, install: ResolvedInstall): V1Variable[] {
  const map = (root: string, field: string) =>
    `${has(root, [...path, field])} ? ${[root, ...path, field].join(".")} : {}`;
  const before = (field: string) =>
    `request.operation == 'UPDATE' && ${has("oldObject", [...path, field])} ? ${["oldObject", ...path, field].join(".")} : {}`;
  const account = `system:serviceaccount:${install.namespace}:${namesOf(install).controller}`;
  const changed = (key: string) =>
    `(${key} in variables.annotations) != (${key} in variables.annotationsBefore) || (${key} in variables.annotations && variables.annotations[${key}] != variables.annotationsBefore[${key}])`;
  return [
    { name: "annotations", expression: map("object", "annotations") },
    { name: "labels", expression: map("object", "labels") },
    { name: "annotationsBefore", expression: before("annotations") },
    { name: "labelsBefore", expression: before("labels") },
    {
      name: "from",
      expression: `'${REQUEST.from}' in variables.annotations ? variables.annotations['${REQUEST.from}'] : ''`,
    },
    { name: "isKubernetes", expression: BY_KUBERNETES },
    { name: "isController", expression: `request.userInfo.username == '${account}'` },
    // Removing the request needs no permission.
    {
      name: "requestsRestore",
      expression: `variables.from != '' && ${list(Object.values(REQUEST))}.exists(key, ${changed("key")})`,
    },
    { name: "recordsKept", expression: `${RECORDS}.all(key, !(${changed("key")}))` },
  ];
}

/** Checks the values, and the permission of the user. */
function requestRules() {
  const allowed = (key: string, values: readonly string[]) =>
    `!('${key}' in variables.annotations) || variables.annotations['${key}'] in ${list(values)}`;
  const oneOf = (key: string, values: readonly string[]) => ({
    expression: allowed(key, values),
    messageExpression: `'annotation ${key} is "' + variables.annotations['${key}'] + '"; allowed: ${values.join(", ")}'`,
  });
  return [
    {
      expression: `!variables.requestsRestore || variables.isKubernetes || variables.isController || ${mayRestore("variables.from")}`,
      messageExpression: `'annotation ${REQUEST.from}: ' + request.userInfo.username + ' may not restore in namespace ' + request.namespace + ': it needs the verb ${RESTORE_VERB} on checkpoints.${AUTOMATION_GROUP}'`,
      reason: "Forbidden",
    },
    {
      expression: `!('${REQUEST.from}' in variables.annotations) || variables.from.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')`,
      messageExpression: `'annotation ${REQUEST.from} is "' + variables.from + '"; allowed: ${LATEST}, or the name of a Checkpoint'`,
    },
    oneOf(REQUEST.fallback, FALLBACKS),
    oneOf(REQUEST.shared, ["true", "false"]),
  ];
}

const UNPROCESSED = `the controller did not process the restore request, and ${REQUEST.fallback} is stop: try again`;

/**
 * Checks the records. On a pod with a request, the webhook has overwritten them. With `restore-fallback: stop`, a pod that
 * cannot be restored has no label: it is judged here, after all webhooks, because a later one can still add what it lacks.
 */
function podRules() {
  const none = `${RECORDS}.all(key, !(key in variables.annotations)) && !('${RESTORED_FROM}' in variables.labels)`;
  const label = (map: string) => `'${RESTORED_FROM}' in variables.${map}`;
  const labelKept = `(${label("labels")}) == (${label("labelsBefore")}) && (!(${label("labels")}) || variables.labels['${RESTORED_FROM}'] == variables.labelsBefore['${RESTORED_FROM}'])`;
  return [
    {
      expression: `variables.isController || (request.operation == 'CREATE' ? (variables.from != '' || (${none})) : (variables.recordsKept && ${labelKept}))`,
      message: `label ${RESTORED_FROM} and annotations ${Object.values(RECORD).join(", ")} are reserved for the controller: remove them`,
      reason: "Forbidden",
    },
    {
      expression: `request.operation != 'CREATE' || !('${REQUEST.fallback}' in variables.annotations) || variables.annotations['${REQUEST.fallback}'] != 'stop' || variables.from == '' || '${RESTORED_FROM}' in variables.labels`,
      messageExpression: `'${RECORD.skipped}' in variables.annotations ? '${REQUEST.from}: ' + variables.annotations['${RECORD.skipped}'] + '; ${REQUEST.fallback} is stop' : '${UNPROCESSED}'`,
      message: UNPROCESSED,
      reason: "Forbidden",
    },
  ];
}

/** Checks the records of a template: they can be removed or kept, but not added. */
function templateRules() {
  return [
    {
      expression: `variables.isController || (${RECORDS}.all(key, !(key in variables.annotations) || key in variables.annotationsBefore) && (!('${RESTORED_FROM}' in variables.labels) || '${RESTORED_FROM}' in variables.labelsBefore))`,
      message: `label ${RESTORED_FROM} and annotations ${Object.values(RECORD).join(", ")} are reserved for the controller: remove them`,
      reason: "Forbidden",
    },
  ];
}
