/** Rights and names of the install's accounts, as far as an API server would refuse them or mix them up. */
import type { Problem } from "../schema/problem";
import { agentNamespace, namesOf } from "./names";
import type { ResolvedInstall } from "./schema";

export function checkAccounts(install: ResolvedInstall): Problem[] {
  return [...checkRules(install.manager.extraRules), ...checkNames(install)];
}

function checkRules(rules: ResolvedInstall["manager"]["extraRules"]): Problem[] {
  return rules.flatMap(({ apiGroups = [], nonResourceURLs = [], resources = [], verbs }, index) => {
    const path = ["manager", "extraRules", index];
    const problems: Problem[] = [];
    if (verbs.length === 0) {
      problems.push({
        code: "empty",
        path: [...path, "verbs"],
        message: "is empty",
        allowed: "such as get, list",
      });
    }
    const ofResources = apiGroups.length > 0 && resources.length > 0 && nonResourceURLs.length === 0;
    const ofPaths = apiGroups.length === 0 && resources.length === 0 && nonResourceURLs.length > 0;
    if (!ofResources && !ofPaths) {
      problems.push({
        code: "rule-of-nothing",
        path,
        message: "does not say of what it is",
        allowed: 'either apiGroups ("" for the core group) and resources, or nonResourceURLs',
      });
    }
    return problems;
  });
}

/** Accounts of one name would be one account with the rights of both. */
function checkNames(install: ResolvedInstall): Problem[] {
  const names = namesOf(install);
  const { attachAccount, controller, namespace } = install;
  const problems: Problem[] = [];
  const taken = (path: string[], given: string) =>
    problems.push({
      code: "duplicate-name",
      path,
      message: "is the name of another account or role of the install, which would be mixed up with it",
      given,
      remedy: "choose another name, or leave it out",
    });
  const { attachAccount: attach, managerAccount, ...others } = names;
  const inNamespace = agentNamespace(install) === namespace ? [names.agentAccount] : [];
  const programs = [names.dynamoWatcher, ...(controller ? [names.controller] : [])];
  if ([...inNamespace, ...programs].includes(managerAccount)) {
    taken(["manager", "serviceAccount", "name"], managerAccount);
  }
  if (attachAccount && [managerAccount, ...Object.values(others)].includes(attach)) {
    taken(
      attachAccount.name === undefined ? ["manager", "serviceAccount", "name"] : ["attachAccount", "name"],
      attach,
    );
  }
  return problems;
}
