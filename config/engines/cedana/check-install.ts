import {
  agentNamespace,
  checkpointsOf,
  checkResources,
  checkTolerations,
  gateOwner,
  gateTaint,
  namesOf,
  reservedVariables,
  toleratesGate,
  type ResolvedInstall,
} from "../../install";
import { STARTUP_TAINT_DEFAULT, toTaintText } from "../../nodes/taint";
import { check } from "../../schema";
import { printable, under, type Problem } from "../../schema/problem";
import { isLoopback, listenAddress } from "./address";
import { AGENT_VARIABLES, MANAGER_VARIABLES } from "./variables";
import { cedanaNames } from "./names";
import { pinnedVersion, type ResolvedCedanaEngine } from "./schema";

/** Checks the engine together with the install. Paths begin with `engine` or `install`. */
export function checkCedanaInstall(engine: ResolvedCedanaEngine, install: ResolvedInstall): Problem[] {
  const { dynamoWatcher, runtimeClass } = engine;
  const { healthCheck, helper } = install;
  const gate = gateTaint(install);
  return [
    ...under(
      ["install"],
      [
        ...reservedVariables(["helper", "env"], helper.env, AGENT_VARIABLES),
        ...reservedVariables(["healthCheck", "env"], healthCheck.env, AGENT_VARIABLES),
      ],
    ),
    ...under(
      ["engine"],
      [
        ...reservedVariables(["manager", "env"], engine.manager.env, MANAGER_VARIABLES),
        ...(dynamoWatcher
          ? reservedVariables(["dynamoWatcher", "env"], dynamoWatcher.env, MANAGER_VARIABLES)
          : []),
        ...(runtimeClass ? toleratesGate(gate, ["runtimeClass"], runtimeClass.tolerations) : []),
        ...checkWorkloads(engine),
        ...checkNames(engine, install),
        ...checkManager(engine, install),
        ...checkService(engine),
        ...checkNativeVersion(engine),
      ],
    ),
    ...checkTaint(engine, install),
  ];
}

/** Returns whether Cedana's manager adds and removes the startup taint. */
export function removesTaint({ manager }: ResolvedCedanaEngine, install: ResolvedInstall): boolean {
  return manager.taintNodes ?? gateOwner(install) === "manager";
}

/** Returns the version of the plugins that are built with the agent. It must be the version of the agent. */
export function nativeVersion({ helper, pluginsNativeVersion }: ResolvedCedanaEngine): string | undefined {
  if (pluginsNativeVersion !== undefined) return pluginsNativeVersion;
  const { tag } = helper.image;
  return check(pinnedVersion, tag).problems ? undefined : tag;
}

/** Checks tolerations and resources of the engine's pods, and the permissions of the manager. */
function checkWorkloads({ dynamoWatcher, manager, runtimeClass }: ResolvedCedanaEngine): Problem[] {
  return [
    ...checkTolerations(["manager", "tolerations"], manager.tolerations ?? []),
    ...(dynamoWatcher ? checkTolerations(["dynamoWatcher", "tolerations"], dynamoWatcher.tolerations) : []),
    ...(runtimeClass ? checkTolerations(["runtimeClass", "tolerations"], runtimeClass.tolerations) : []),
    ...checkResources(["manager"], manager.resources),
    ...(manager.metrics ? checkResources(["manager", "metrics"], manager.metrics.resources) : []),
    ...(dynamoWatcher ? checkResources(["dynamoWatcher"], dynamoWatcher.resources) : []),
    ...checkRules(manager.extraRules),
  ];
}

/** Checks the RBAC rules by the rules of Kubernetes. */
function checkRules(rules: ResolvedCedanaEngine["manager"]["extraRules"]): Problem[] {
  return rules.flatMap(({ apiGroups = [], nonResourceURLs = [], resources = [], verbs }, index) => {
    const path = ["manager", "extraRules", index];
    const problems: Problem[] = [];
    if (verbs.length === 0) {
      problems.push({
        code: "empty",
        path: [...path, "verbs"],
        message: "is empty",
        allowed: "at least one verb, such as get",
      });
    }
    const forResources = apiGroups.length > 0 && resources.length > 0 && nonResourceURLs.length === 0;
    const forPaths = apiGroups.length === 0 && resources.length === 0 && nonResourceURLs.length > 0;
    if (!forResources && !forPaths) {
      problems.push({
        code: "invalid-rbac-rule",
        path,
        message: "must set either apiGroups and resources, or nonResourceURLs",
        allowed: 'apiGroups ("" for the core group) with resources, or nonResourceURLs',
      });
    }
    return problems;
  });
}

/** Rejects a ServiceAccount that two programs would share: each would have the permissions of both. */
function checkNames(engine: ResolvedCedanaEngine, install: ResolvedInstall): Problem[] {
  const names = namesOf(install);
  const { attachAccount: attach, managerAccount, ...others } = cedanaNames(engine, install);
  const { attachAccount } = engine;
  const { controller, namespace } = install;
  const problems: Problem[] = [];
  const duplicate = (path: string[], given: string) =>
    problems.push({
      code: "duplicate-name",
      path,
      message: "is already used by another ServiceAccount or role of this install",
      given,
      remedy: "choose another name, or remove it",
    });
  const inNamespace = agentNamespace(install) === namespace ? [names.agentAccount] : [];
  const programs = [others.dynamoWatcher, ...(controller ? [names.controller] : [])];
  if ([...inNamespace, ...programs].includes(managerAccount)) {
    duplicate(["manager", "serviceAccount", "name"], managerAccount);
  }
  if (attachAccount && [managerAccount, ...Object.values({ ...names, ...others })].includes(attach)) {
    duplicate(
      attachAccount.name === undefined ? ["manager", "serviceAccount", "name"] : ["attachAccount", "name"],
      attach,
    );
  }
  return problems;
}

function checkManager({ manager }: ResolvedCedanaEngine, install: ResolvedInstall): Problem[] {
  const owner = gateOwner(install);
  const problems: Problem[] = [];
  if (owner !== "manager" && manager.taintNodes === true) {
    problems.push({
      code: "gate-owner-conflict",
      path: ["manager", "taintNodes"],
      message: "conflicts with readinessGate.owner: the manager would restore the taint",
      given: `true, with the owner ${owner}`,
      remedy: "remove it, or set install.readinessGate.owner: manager",
    });
  }
  if (checkpointsOf(install) && manager.replicas === 0) {
    problems.push({
      code: "checkpoints-without-manager",
      path: ["manager", "replicas"],
      message: "is 0, but checkpoints require the manager",
      given: "0",
      remedy: "remove it, or set install.checkpoints: false",
    });
  }
  if (install.controller && manager.leaseName === namesOf(install).controller) {
    problems.push({
      code: "duplicate-name",
      path: ["manager", "leaseName"],
      message: "is already the name of the controller's Lease",
      given: manager.leaseName,
      remedy: "choose another name, or remove it",
    });
  }
  return problems;
}

/** Checks the startup taint: Cedana's manager supports only one. */
function checkTaint(engine: ResolvedCedanaEngine, install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  const { key, effect } = STARTUP_TAINT_DEFAULT;
  if (gateOwner(install) !== "manager" || !removesTaint(engine, install)) return [];
  if (taint.key === key && taint.effect === effect) return [];
  return [
    {
      code: "unsupported-by-gate-owner",
      path: ["install", "readinessGate", "taint"],
      message: "is not the taint that Cedana's manager removes",
      given: toTaintText(taint),
      allowed: `${key}:${effect}`,
      remedy: "remove it, or set install.controller, which supports any taint",
    },
  ];
}

function checkService(engine: ResolvedCedanaEngine): Problem[] {
  if (!engine.helper.service || (engine.protocol === "tcp" && !isLoopback(engine))) return [];
  return [
    {
      code: "service-without-port",
      path: ["helper", "service"],
      message: "requires a daemon that listens on a reachable TCP port",
      given: `protocol ${engine.protocol}, address ${printable(listenAddress(engine))}`,
      allowed: "protocol tcp, exposeDaemon, and an address such as 0.0.0.0:8080",
      remedy: "remove the Service",
    },
  ];
}

function checkNativeVersion(engine: ResolvedCedanaEngine): Problem[] {
  if (nativeVersion(engine) !== undefined) return [];
  return [
    {
      code: "missing",
      path: ["pluginsNativeVersion"],
      message: "is required: the tag of the helper's image is not a version",
      given: `tag ${printable(engine.helper.image.tag)}`,
      allowed: "a version such as v0.9.297",
      remedy: "set it; otherwise the agent downloads the latest version",
    },
  ];
}
