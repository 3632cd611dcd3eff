/** Policy on the Checkpoints that the controller deletes: RBAC cannot limit an account to some of them. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP } from "../../../api";
import { namesOf, policiesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy, list, sentBy } from "../admission";

/** States of a restore that may need the Checkpoint. */
const USED = ["Claimed", "Unknown"];

/**
 * Returns a policy and its binding, if the install enables the action that deletes Checkpoints. Retention decides by a cache, and a stolen token decides by nothing: neither deletes a
 * Checkpoint that its own object protects.
 */
export function deletionGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const policies = policiesOf(install);
  if (!policies || !policies.actions.includes("deleteCheckpoints")) return [];
  const conditions = "oldObject.?status.?conditions.orValue([])";
  const forbidden = (expression: string, what: string) => ({
    expression,
    message: `the controller deletes no Checkpoint ${what}`,
    reason: "Forbidden",
  });
  return admissionPolicy(scope, install, {
    id: "checkpoint-deletions",
    name: namesOf(install).checkpointDeletions,
    component: "controller",
    rules: [
      {
        apiGroups: [AUTOMATION_GROUP],
        apiVersions: ["*"],
        resources: ["checkpoints"],
        operations: ["DELETE"],
        scope: "Namespaced",
      },
    ],
    matchConditions: sentBy(install, "controller"),
    validations: [
      forbidden("!oldObject.spec.?pinned.orValue(false)", "whose spec.pinned is true"),
      forbidden(
        `!(oldObject.?status.?restore.?state.orValue('') in ${list(USED)})`,
        "that a pod has claimed, or whose restore has an unknown outcome",
      ),
      forbidden(
        `${conditions}.exists(one, (one.type in ['Ready', 'Failed'] && one.status == 'True') || (one.type == 'Ready' && one.reason == 'ImageNotFound'))`,
        "that has not ended",
      ),
    ],
  });
}
