/** Policy on the labels by which a Checkpoint belongs to a policy. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { CEDANA, POLICY_LABELS } from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy, isAnyController, isProgram, text } from "../admission";
import { CHECKPOINT_WRITES, MAY_IMPORT } from "./checkpoint-writes";

const actionOf = (root: string) => `${root}.metadata.?annotations[?${text(POLICY_LABELS.action)}]`;
const labelOf = (root: string) => `${root}.metadata.?labels[?${text(POLICY_LABELS.uid)}]`;

/**
 * Returns a policy and its binding. Checkpoints count against the limits of the policy whose UID they have as a label, so only
 * the controllers of all installs set it, and users that may import Checkpoints, such as a backup tool. The controller itself
 * creates no other Checkpoints, but those of Cedanas.
 */
export function policyGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  return admissionPolicy(scope, install, {
    id: "checkpoint-policies",
    name: namesOf(install).checkpointPolicies,
    component: "controller",
    rules: CHECKPOINT_WRITES,
    variables: [
      MAY_IMPORT,
      {
        name: "setsPolicy",
        expression: `${labelOf("object")}.hasValue() && (request.operation == 'CREATE' || ${labelOf("object")} != ${labelOf("oldObject")})`,
      },
      {
        name: "setsAction",
        expression: `${actionOf("object")}.hasValue() && (request.operation == 'CREATE' || ${actionOf("object")} != ${actionOf("oldObject")})`,
      },
    ],
    validations: [
      {
        expression: `!variables.setsPolicy || variables.mayImport || ${isAnyController()}`,
        message: `only the controller sets the label ${POLICY_LABELS.uid}`,
        reason: "Forbidden",
      },
      {
        // A pod is evicted, or a workload scaled, after a Checkpoint with this annotation.
        expression: `!variables.setsAction || variables.mayImport || ${isAnyController()}`,
        message: `only the controller sets the annotation ${POLICY_LABELS.action}`,
        reason: "Forbidden",
      },
      {
        expression: `request.operation != 'CREATE' || !(${isProgram(install, "controller")}) || variables.setsPolicy || object.metadata.?ownerReferences.orValue([]).exists(owner, owner.kind == ${text(CEDANA.kind)})`,
        message: `the controller creates no Checkpoint without the label ${POLICY_LABELS.uid}, except for a Cedana`,
        reason: "Forbidden",
      },
    ],
  });
}
