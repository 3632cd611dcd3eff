/** Policy on the policies that let the controller create sandbox pods. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { AUTOMATION_GROUP, RESTORE_VERB } from "../../../api";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { admissionPolicy } from "../admission";

/**
 * Returns a policy and its binding: who may write a policy with the action `verify`. It runs a copy of each pod that it selects, so it needs the permission to
 * restore. The output of a failed probe is in events: with a probe its author needs the permission to run commands in pods.
 * It exists wherever policies are installed, also without `install.policies.verify`: one that is written before is executed when that is
 * enabled.
 */
export function verifyGuard(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const may = (resource: string, verb: string) =>
    `authorizer.${resource}.namespace(request.?namespace.orValue('')).check('${verb}').allowed()`;
  const restore = may(`group('${AUTOMATION_GROUP}').resource('checkpoints')`, RESTORE_VERB);
  const exec = may("group('').resource('pods').subresource('exec')", "create");
  const where =
    "(request.?namespace.orValue('') == '' ? 'all namespaces' : 'namespace ' + request.namespace)";
  return admissionPolicy(scope, install, {
    id: "sandbox-policies",
    name: namesOf(install).sandboxPolicies,
    component: "controller",
    rules: [
      {
        apiGroups: [AUTOMATION_GROUP],
        apiVersions: ["*"],
        resources: ["checkpointpolicies", "clustercheckpointpolicies"],
        operations: ["CREATE", "UPDATE"],
        scope: "*",
      },
    ],
    matchConditions: [
      { name: "verifies", expression: "has(object.spec.action.verify)" },
      // Labels, annotations and finalizers of a policy may be changed without the permission.
      { name: "changed", expression: "request.operation == 'CREATE' || object.spec != oldObject.spec" },
    ],
    validations: [
      {
        expression: restore,
        messageExpression: `'action.verify: ' + request.userInfo.username + ' may not restore in ' + ${where} + ': it needs the verb ${RESTORE_VERB} on checkpoints.${AUTOMATION_GROUP}'`,
        message: `action.verify needs the verb ${RESTORE_VERB} on checkpoints.${AUTOMATION_GROUP}`,
        reason: "Forbidden",
      },
      {
        expression: `!has(object.spec.action.verify.probe) || ${exec}`,
        messageExpression: `'action.verify.probe: ' + request.userInfo.username + ' may not run commands in pods of ' + ${where} + ': it needs the verb create on pods/exec'`,
        message: "action.verify.probe needs the verb create on pods/exec",
        reason: "Forbidden",
      },
    ],
  });
}
