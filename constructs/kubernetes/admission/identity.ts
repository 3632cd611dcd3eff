/**
 * Identifies a program of the install by a permission, not by the name of its account.
 *
 * Tools such as Kustomize rename accounts and move them to other namespaces. They follow the references of Role bindings,
 * but no names in CEL: a policy for an account that was renamed would bind no account.
 */
import type { V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP } from "../../../api";
import type { ResolvedInstall } from "../../../config/install";

export type Program = "controller" | "health-check";

/** No API server serves this resource. Only policies query the permission. */
const RESOURCE = "programs";
const VERB = "identify";

/** The name contains a dot, which no name of an object of the install has: Kustomize renames such names. */
const nameOf = ({ name }: ResolvedInstall, program: Program) => `${name}.${program}`;

/** Returns the rule by which the policies identify an account as the program. */
export function identityRule(install: ResolvedInstall, program: Program): V1PolicyRule {
  return {
    apiGroups: [AUTOMATION_GROUP],
    resources: [RESOURCE],
    resourceNames: [nameOf(install, program)],
    verbs: [VERB],
  };
}

/**
 * Returns a test whether the program sent the request. An account with the permission for all names, as of an administrator,
 * is no program.
 */
export function isProgram(install: ResolvedInstall, program: Program): string {
  const programs = `authorizer.group('${AUTOMATION_GROUP}').resource('${RESOURCE}')`;
  const may = (about: string) => `${about}.check('${VERB}').allowed()`;
  return `${may(`${programs}.name('${nameOf(install, program)}')`)} && !${may(programs)}`;
}
