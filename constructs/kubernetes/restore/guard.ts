/** Policies that check who may request a restore, because Kubernetes has no permission to set an annotation. */
import type { V1Variable } from "@kubernetes/client-node";
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
  SANDBOX,
} from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import {
  admissionPolicy,
  isAnyController,
  list,
  mapAt,
  mapBefore,
  WORKLOADS,
  type Workload,
} from "../admission";
import { BY_KUBERNETES, mayRestore } from "./cel";

const RECORDS = list(Object.values(RECORD));

/**
 * Returns a policy and its binding for pods, for kinds with a pod template, and for CronJobs, whose template is nested. They
 * apply to all namespaces, also to those that the webhook does not serve.
 */
export function restoreGuards(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return WORKLOADS.flatMap((kind) =>
    admissionPolicy(scope, install, {
      id: kind.id,
      name: `${namesOf(install).restore}-${kind.id}`,
      component: "controller",
      rules: kind.rules,
      matchConditions: [{ name: "relevant", expression: relevant(kind) }],
      variables: variables(kind),
      validations: [...requestRules(), ...(kind.id === "pods" ? podRules() : templateRules())],
    }),
  );
}

/** Tests whether the object has any of our keys, before or after the change. Other objects are not evaluated further. */
function relevant({ path }: Workload): string {
  const annotations = mapAt("version", [...path, "metadata", "annotations"]);
  const labels = mapAt("version", [...path, "metadata", "labels"]);
  const ours = [
    `${annotations}.exists(key, key.startsWith('cedana.ai/restore-') || key == '${SANDBOX.settings}')`,
    `'${RESTORED_FROM}' in ${labels}`,
    `'${SANDBOX.label}' in ${labels}`,
  ].join(" || ");
  return `[object, oldObject].exists(version, version != null && (${ours}))`;
}

/** Returns the CEL variables of the rules. */
function variables({ path }: Workload): V1Variable[] {
  const differs = (key: string, map: string) =>
    `variables.${map}[?${key}] != variables.${map}Before[?${key}]`;
  return [
    { name: "annotations", expression: mapAt("object", [...path, "metadata", "annotations"]) },
    { name: "labels", expression: mapAt("object", [...path, "metadata", "labels"]) },
    { name: "annotationsBefore", expression: mapBefore([...path, "metadata", "annotations"]) },
    { name: "labelsBefore", expression: mapBefore([...path, "metadata", "labels"]) },
    { name: "from", expression: annotation(REQUEST.from) },
    { name: "fallback", expression: annotation(REQUEST.fallback) },
    { name: "label", expression: `variables.labels[?'${RESTORED_FROM}']` },
    { name: "labelBefore", expression: `variables.labelsBefore[?'${RESTORED_FROM}']` },
    { name: "records", expression: `${RECORDS}.filter(key, key in variables.annotations)` },
    { name: "isKubernetes", expression: BY_KUBERNETES },
    { name: "isController", expression: isAnyController() },
    // Removing the request needs no permission.
    {
      name: "requestsRestore",
      expression: `variables.from != '' && ${list(Object.values(REQUEST))}.exists(key, ${differs("key", "annotations")})`,
    },
    {
      name: "sandboxKept",
      expression: `variables.labels[?'${SANDBOX.label}'] == variables.labelsBefore[?'${SANDBOX.label}'] && variables.annotations[?'${SANDBOX.settings}'] == variables.annotationsBefore[?'${SANDBOX.settings}']`,
    },
    { name: "recordsKept", expression: `!${RECORDS}.exists(key, ${differs("key", "annotations")})` },
  ];
}

const annotation = (key: string) => `variables.annotations[?'${key}'].orValue('')`;

/** Checks the values, and the permission of the user. */
function requestRules() {
  const oneOf = (key: string, values: readonly string[]) => ({
    expression: `!('${key}' in variables.annotations) || ${annotation(key)} in ${list(values)}`,
    messageExpression: `'annotation ${key} is "' + ${annotation(key)} + '"; allowed: ${values.join(", ")}'`,
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

const RESERVED = {
  message: `label ${RESTORED_FROM} and annotations ${Object.values(RECORD).join(", ")} are reserved for the controller: remove them`,
  reason: "Forbidden",
} as const;

/**
 * Checks the records. On a pod with a request, the webhook has overwritten them. With `restore-fallback: stop`, a pod that
 * cannot be restored has no label: it is judged here, after all webhooks, because a later one can still add what it lacks.
 */
function podRules() {
  const kept = "variables.recordsKept && variables.label == variables.labelBefore";
  const none = "variables.records == [] && !variables.label.hasValue()";
  const isStopped = "variables.from != '' && variables.fallback == 'stop' && !variables.label.hasValue()";
  return [
    {
      expression: `variables.isController || (request.operation == 'CREATE' ? variables.from != '' || (${none}) : ${kept})`,
      ...RESERVED,
    },
    {
      expression: "variables.isController || variables.sandboxKept",
      message: `label ${SANDBOX.label} and annotation ${SANDBOX.settings} mark pods by which the controller verifies Checkpoints: remove them`,
      reason: "Forbidden",
    },
    {
      expression: `request.operation != 'CREATE' || !(${isStopped})`,
      messageExpression: `'${RECORD.skipped}' in variables.annotations ? '${REQUEST.from}: ' + ${annotation(RECORD.skipped)} + '; ${REQUEST.fallback} is stop' : '${UNPROCESSED}'`,
      message: UNPROCESSED,
      reason: "Forbidden",
    },
  ];
}

/** Checks the records of a template: they can be removed or kept, but not added. */
function templateRules() {
  return [
    {
      expression:
        "variables.isController || (variables.records.all(key, key in variables.annotationsBefore) && (!variables.label.hasValue() || variables.labelBefore.hasValue()))",
      ...RESERVED,
    },
  ];
}
