/** Policy on the record of Checkpoints: RBAC cannot limit an account to one field. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP, IMPORT_VERB } from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy, isProgram, isAnyController, unchanged } from "../admission";

/** Metadata by which other programs find or keep a Checkpoint. */
const METADATA = ["labels", "annotations", "ownerReferences", "finalizers"].map((field) => [
  "metadata",
  field,
]);

/**
 * Returns a policy and its binding. A record names an artifact, so it would let its author restore the memory of other pods: the
 * controller sets it, or a user that may import Checkpoints, such as a backup tool with all permissions. A record can be kept
 * and removed by each client. The controller itself changes nothing else.
 */
export function recordGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return admissionPolicy(scope, install, {
    id: "checkpoint-records",
    name: namesOf(install).checkpointRecords,
    component: "controller",
    rules: [
      {
        apiGroups: [AUTOMATION_GROUP],
        apiVersions: ["*"],
        resources: ["checkpoints"],
        operations: ["CREATE", "UPDATE"],
        scope: "Namespaced",
      },
    ],
    variables: [
      { name: "isController", expression: isAnyController() },
      { name: "isOwnController", expression: isProgram(install, "controller") },
      {
        name: "mayImport",
        expression: `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').namespace(request.namespace).check('${IMPORT_VERB}').allowed()`,
      },
      {
        name: "setsRecord",
        expression:
          "object.?record.hasValue() && (request.operation == 'CREATE' || object.?record != oldObject.?record)",
      },
    ],
    validations: [
      {
        expression:
          "!variables.setsRecord || (request.operation == 'CREATE' ? variables.mayImport : variables.isController)",
        messageExpression: `request.operation == 'CREATE' ? 'record: ' + request.userInfo.username + ' may not import Checkpoints into namespace ' + request.namespace + ': it needs the verb ${IMPORT_VERB} on checkpoints.${AUTOMATION_GROUP}. Remove record to take a new checkpoint' : 'record: only the controller changes it'`,
        message: "record: only the controller sets it",
        reason: "Forbidden",
      },
      {
        expression: `!variables.isOwnController || request.operation == 'CREATE' || (${unchanged(METADATA)})`,
        message: "the controller changes only the record and the status of a Checkpoint",
        reason: "Forbidden",
      },
    ],
  });
}
