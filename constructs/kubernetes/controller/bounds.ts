/**
 * Policies that limit what the controller may write. RBAC permits `patch` of whole objects; a client with the controller's token
 * must not change anything that the controller does not change.
 */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { RECORD, RESTORED_FROM } from "../../../api";
import { platformOf, restoreOf } from "../../../config/engines";
import {
  checkpointsOf,
  gateOwner,
  gateTaint,
  gateTimes,
  namesOf,
  READY_CONDITION,
  type ResolvedInstall,
} from "../../../config/install";
import { admissionPolicy, equalExcept, list, mapAt, mapBefore, sentBy, text, type Rule } from "../admission";
import type { EngineInput } from "../engines/engine";
import { actionBounds } from "./action-bounds";

interface Limit {
  readonly expression: string;
  readonly message: string;
}

/** Creates a policy and its binding for each kind of objects that the controller patches. */
export function controllerBounds(scope: Construct, { engine, install }: EngineInput): ApiObject[] {
  const names = namesOf(install);
  const restore = restoreOf(engine, install);
  const bound = (id: string, name: string, rule: Rule, validations: readonly Limit[]) =>
    admissionPolicy(scope, install, {
      id,
      name,
      component: "controller",
      rules: [rule],
      matchConditions: sentBy(install, "controller"),
      variables: [
        { name: "labels", expression: mapAt("object", ["metadata", "labels"]) },
        { name: "labelsBefore", expression: mapBefore(["metadata", "labels"]) },
        { name: "annotations", expression: mapAt("object", ["metadata", "annotations"]) },
        { name: "annotationsBefore", expression: mapBefore(["metadata", "annotations"]) },
      ],
      validations: validations.map(({ expression, message }) => ({
        expression,
        message,
        reason: "Forbidden",
      })),
    });
  const ofActions = actionBounds(install).flatMap(({ id, rule, validations }) =>
    bound(`${id}-bound`, `${names.controller}-${id}`, rule, validations),
  );
  const core = { apiGroups: [""], apiVersions: ["v1"] };
  return [
    ...ofActions,
    ...(writesNodes(install)
      ? bound(
          "nodes-bound",
          names.controllerNodes,
          { ...core, resources: ["nodes", "nodes/status"], operations: ["UPDATE"], scope: "Cluster" },
          nodeRules(install),
        )
      : []),
    ...(restore
      ? bound(
          "pods-bound",
          names.controllerPods,
          { ...core, resources: ["pods"], operations: ["UPDATE"], scope: "Namespaced" },
          podRules(),
        )
      : []),
    ...(restore && restore.certificates === "own"
      ? bound(
          "secrets-bound",
          names.controllerSecrets,
          { ...core, resources: ["secrets"], operations: ["CREATE"], scope: "Namespaced" },
          [
            {
              expression: `object.metadata.?name.orValue('') == ${text(names.restoreCertificate)} && object.?type.orValue('') == 'kubernetes.io/tls'`,
              message: `the controller creates no Secret but ${names.restoreCertificate}`,
            },
          ],
        ).concat(
          bound(
            "webhook-bound",
            names.controllerWebhook,
            {
              apiGroups: ["admissionregistration.k8s.io"],
              apiVersions: ["v1"],
              resources: ["mutatingwebhookconfigurations"],
              operations: ["UPDATE"],
              scope: "Cluster",
            },
            webhookRules(),
          ),
        )
      : []),
    ...(platformOf(engine, install)
      ? bound(
          "config-maps-bound",
          names.controllerConfigMaps,
          { ...core, resources: ["configmaps"], operations: ["CREATE"], scope: "Namespaced" },
          [
            {
              expression: `object.metadata.?name.orValue('') == ${text(names.platformPolicies)}`,
              message: `the controller may create only the ConfigMap ${names.platformPolicies}`,
            },
          ],
        )
      : []),
  ];
}

/** Returns whether a policy identifies the controller. */
export function isIdentified({ engine, install }: EngineInput): boolean {
  return writesNodes(install) || checkpointsOf(install) !== false || restoreOf(engine, install) !== false;
}

/** Returns whether the controller changes nodes: not in a dry run, and not if another program owns the gate. */
export function writesNodes(install: ResolvedInstall): boolean {
  const owner = gateOwner(install);
  return owner !== "manager" && !(owner === "controller" && gateTimes(install).dryRun);
}

/** Fields of the metadata that change with each write. */
const OF_THE_WRITE = ["managedFields", "resourceVersion", "generation"];

/** Tests whether all fields are unchanged, but some. The type check of the API server permits no iteration over fields. */
function fieldsKept(field: "metadata" | "spec" | "status", except: readonly string[]): string {
  return equalExcept(`dyn(object.${field})`, `dyn(oldObject.${field})`, except);
}

function nodeRules(install: ResolvedInstall): Limit[] {
  const { key, effect } = gateTaint(install);
  const taints = (root: string) => `${root}.spec.?taints.orValue([])`;
  const others = (root: string) => `${taints(root)}.filter(taint, taint.key != ${text(key)})`;
  const conditions = (root: string) =>
    `${root}.status.?conditions.orValue([]).filter(condition, condition.type != '${READY_CONDITION}')`;
  return [
    {
      expression: fieldsKept("metadata", OF_THE_WRITE),
      message: "the controller changes no metadata of a node",
    },
    {
      expression: [
        fieldsKept("spec", ["taints"]),
        `${others("object")} == ${others("oldObject")}`,
        `${taints("object")}.all(taint, taint.key != ${text(key)} || taint.effect == ${text(effect)} || taint in ${taints("oldObject")})`,
      ].join(" && "),
      message: `the controller changes no field of a node but the taint ${key} with the effect ${effect}`,
    },
    {
      expression: `${fieldsKept("status", ["conditions"])} && ${conditions("object")} == ${conditions("oldObject")}`,
      message: `the controller changes no status of a node but the condition ${READY_CONDITION}`,
    },
  ];
}

/** With other rules or another address, the API server would send all objects of the cluster to a server of the writer. */
function webhookRules(): Limit[] {
  const webhooks = (root: string) => `${root}.?webhooks.orValue([])`;
  const same = [
    "before.name == now.name",
    equalExcept("dyn(now)", "dyn(before)", ["clientConfig"]),
    equalExcept("dyn(now.clientConfig)", "dyn(before.clientConfig)", ["caBundle"]),
  ].join(" && ");
  return [
    {
      expression: fieldsKept("metadata", OF_THE_WRITE),
      message: "the controller changes no metadata of a webhook configuration",
    },
    {
      expression: [
        `${webhooks("object")}.map(one, one.name) == ${webhooks("oldObject")}.map(one, one.name)`,
        `${webhooks("object")}.all(now, ${webhooks("oldObject")}.exists(before, ${same}))`,
      ].join(" && "),
      message: "the controller changes no field of a webhook but its caBundle",
    },
  ];
}

function podRules(): Limit[] {
  return [
    {
      expression: [
        fieldsKept("metadata", [...OF_THE_WRITE, "labels", "annotations"]),
        equalExcept("variables.labels", "variables.labelsBefore", [RESTORED_FROM]),
        equalExcept("variables.annotations", "variables.annotationsBefore", Object.values(RECORD)),
      ].join(" && "),
      message: `the controller changes no metadata of a pod but the label ${RESTORED_FROM} and the annotations ${list(Object.values(RECORD))}`,
    },
    {
      expression: "object.spec == oldObject.spec",
      message: "the controller does not change the spec of a pod",
    },
  ];
}
