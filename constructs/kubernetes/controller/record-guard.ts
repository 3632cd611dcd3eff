/** Policy on the record of Checkpoints: RBAC cannot limit an account to one field. */
import type {
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP, IMPORT_VERB } from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { metadata, object } from "../object";

const API = "admissionregistration.k8s.io/v1";

/** Metadata by which other programs find or keep a Checkpoint. */
const METADATA = ["labels", "annotations", "ownerReferences", "finalizers"];

/**
 * Returns a policy and its binding. A record names an artifact, so it would let its author restore the memory of other pods. It is
 * set by accounts that may write the status, as the controllers of all installs, or in a new object by users that may import
 * Checkpoints, such as a backup tool with all permissions. A record can be kept and removed by each client. The controller
 * itself changes nothing else.
 */
export function recordGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const names = namesOf(install);
  const about = metadata(install, { name: names.checkpointRecords, component: "controller" });
  const account = `system:serviceaccount:${install.namespace}:${names.controller}`;
  const sameMetadata = METADATA.map(
    (field) => `object.metadata.?${field}.orValue(null) == oldObject.metadata.?${field}.orValue(null)`,
  ).join(" && ");
  return [
    object<V1ValidatingAdmissionPolicy>(scope, "checkpoint-records", {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicy",
      metadata: about,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [AUTOMATION_GROUP],
              apiVersions: ["*"],
              resources: ["checkpoints"],
              operations: ["CREATE", "UPDATE"],
              scope: "Namespaced",
            },
          ],
        },
        variables: [
          { name: "isController", expression: `request.userInfo.username == '${account}'` },
          {
            name: "mayImport",
            expression: `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').namespace(request.namespace).check('${IMPORT_VERB}').allowed()`,
          },
          // Of each install's controller. Who writes the status names the artifact anyway.
          {
            name: "mayWriteStatus",
            expression: `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').subresource('status').namespace(request.namespace).check('patch').allowed()`,
          },
          {
            name: "setsRecord",
            expression:
              "has(object.record) && (request.operation == 'CREATE' || !has(oldObject.record) || object.record != oldObject.record)",
          },
        ],
        validations: [
          {
            expression:
              "!variables.setsRecord || (request.operation == 'CREATE' ? variables.mayImport : variables.mayWriteStatus)",
            messageExpression: `request.operation == 'CREATE' ? 'record: ' + request.userInfo.username + ' may not import Checkpoints into namespace ' + request.namespace + ': it needs the verb ${IMPORT_VERB} on checkpoints.${AUTOMATION_GROUP}. Remove record to take a new checkpoint' : 'record: only the controller changes it, and accounts that may patch checkpoints/status'`,
            message: "record: only the controller sets it",
            reason: "Forbidden",
          },
          {
            expression: `!variables.isController || request.operation == 'CREATE' || (${sameMetadata})`,
            message: "the controller changes only the record and the status of a Checkpoint",
            reason: "Forbidden",
          },
        ],
      },
    }),
    object<V1ValidatingAdmissionPolicyBinding>(scope, "checkpoint-records.binding", {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: about,
      spec: { policyName: names.checkpointRecords, validationActions: ["Deny"] },
    }),
  ];
}
