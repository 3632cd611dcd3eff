/**
 * Identifies a program of the install by a permission, not by the name of its account.
 *
 * Tools such as Kustomize rename accounts and move them to other namespaces. They update the references of Role bindings,
 * but not names in CEL: a policy that names an account would not apply after the account is renamed.
 */
import type { V1MatchCondition, V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP } from "../../../api";
import type { ResolvedInstall } from "../../../config/install";

export type Program = "controller" | "health-check";

/** No API server serves this resource. Only policies query the permission. */
const RESOURCE = "programs";
const VERB = "identify";

/** The name contains a dot, which no name of an object of the install has: Kustomize renames such names. */
const nameOf = ({ name }: ResolvedInstall, program: Program) => `${name}.${program}`;

/** The controller of each install has this name as well: the policies of one install permit what those of others write. */
const ANY_CONTROLLER = "controller.any-install";

/** Returns the rule by which the policies identify an account as the program. */
export function identityRule(install: ResolvedInstall, program: Program): V1PolicyRule {
  return {
    apiGroups: [AUTOMATION_GROUP],
    resources: [RESOURCE],
    resourceNames: [nameOf(install, program), ...(program === "controller" ? [ANY_CONTROLLER] : [])],
    verbs: [VERB],
  };
}

/**
 * Returns a test whether the program of this install sent the request, to limit it. An account with the permission for all names,
 * as of an administrator, is no program.
 */
export const isProgram = (install: ResolvedInstall, program: Program): string =>
  identified(nameOf(install, program));

/** Limits a policy to requests of a program of this install. Most writes of its kinds are of kubelets. */
export const sentBy = (install: ResolvedInstall, program: Program): V1MatchCondition[] => [
  { name: "account", expression: "request.userInfo.username.startsWith('system:serviceaccount:')" },
  { name: program, expression: isProgram(install, program) },
];

/** Returns a test whether the controller of any install in the cluster sent the request, to permit what others may not. */
export const isAnyController = (): string => identified(ANY_CONTROLLER);

function identified(name: string): string {
  const programs = `authorizer.group('${AUTOMATION_GROUP}').resource('${RESOURCE}')`;
  const may = (about: string) => `${about}.check('${VERB}').allowed()`;
  return `${may(`${programs}.name('${name}')`)} && !${may(programs)}`;
}
