/** Policy on the record of Checkpoints: RBAC cannot limit an account to one field. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { ARTIFACT_FINALIZER, AUTOMATION_GROUP, IMPORT_VERB } from "../../../api";
import { deleteArtifactsOf, namesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy, isProgram, text, unchanged } from "../admission";
import { CHECKPOINT_WRITES, MAY_IMPORT } from "./checkpoint-writes";

/** Metadata by which other programs find or keep a Checkpoint. */
const METADATA = ["labels", "annotations", "ownerReferences"].map((field) => ["metadata", field]);

const finalizers = (root: string) => `${root}.metadata.?finalizers.orValue([])`;
const FINALIZER = text(ARTIFACT_FINALIZER);

/** Tests that all finalizers are unchanged, but that of artifacts. */
const OTHER_FINALIZERS = ["object", "oldObject"]
  .map((root) => `${finalizers(root)}.filter(one, one != ${FINALIZER})`)
  .join(" == ");

/**
 * Returns a policy and its binding. A record names an artifact, so it would let its author restore the memory of other pods. It is
 * set by accounts that may write the status, as the controllers of all installs, or in a new object by users that may import
 * Checkpoints, such as a backup tool with all permissions. A record can be kept and removed by each client. The controller
 * itself changes nothing else.
 */
export function recordGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return admissionPolicy(scope, install, {
    id: "checkpoint-records",
    name: namesOf(install).checkpointRecords,
    component: "controller",
    rules: CHECKPOINT_WRITES,
    variables: [
      { name: "isController", expression: isProgram(install, "controller") },
      MAY_IMPORT,
      // Of each install's controller. Who writes the status names the artifact anyway.
      {
        name: "mayWriteStatus",
        expression: `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').subresource('status').namespace(request.namespace).check('patch').allowed()`,
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
          "!variables.setsRecord || (request.operation == 'CREATE' ? variables.mayImport : variables.mayWriteStatus)",
        messageExpression: `request.operation == 'CREATE' ? 'record: ' + request.userInfo.username + ' may not import Checkpoints into namespace ' + request.namespace + ': it needs the verb ${IMPORT_VERB} on checkpoints.${AUTOMATION_GROUP}. Remove record to take a new checkpoint' : 'record: only the controller changes it, and accounts that may patch checkpoints/status'`,
        message: "record: only the controller sets it",
        reason: "Forbidden",
      },
      {
        expression: `!variables.isController || request.operation == 'CREATE' || (${unchanged([["spec"], ...METADATA])} && ${OTHER_FINALIZERS})`,
        message: `the controller changes only the record, the status and the finalizer ${ARTIFACT_FINALIZER} of a Checkpoint`,
        reason: "Forbidden",
      },
      {
        expression: `!variables.isController || !(${FINALIZER} in ${finalizers("object")}) || (request.operation == 'UPDATE' && ${FINALIZER} in ${finalizers("oldObject")}) || ${deleteArtifactsOf(install) ? "object.spec.?deletionPolicy.orValue('') == 'Delete'" : "false"}`,
        message: `the controller adds the finalizer ${ARTIFACT_FINALIZER} only if artifacts are deleted, to Checkpoints with deletionPolicy Delete`,
        reason: "Forbidden",
      },
    ],
  });
}
