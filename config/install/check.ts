import {
  AGENT_VARIABLES,
  isLoopback,
  listenAddress,
  MANAGER_VARIABLES,
  pinnedVersion,
  refuseSecrets,
  type ResolvedCedanaEngine,
  type ResolvedEngine,
} from "../engines";
import type { Taint } from "../nodes/taint";
import type { Problem, PropertyPath } from "../schema/problem";
import { printable, under } from "../schema/problem";
import { check } from "../schema";
import { isToken } from "../schema/token";
import { checkAccounts } from "./check-accounts";
import { checkGate } from "./check-gate";
import { checkWithKubelet } from "./check-kubelet";
import { checkPods } from "./check-pods";
import { checkKueue } from "../integrations/kueue";
import { ownVariables } from "./own-variables";
import type { Toleration } from "../pod";
import { gateTaint } from "./readiness-gate";
import { checkRestore } from "./restore";
import type { ResolvedInstall } from "./schema";

/** The longest suffix of an object's name is `-dynamo-watcher-…`; names stay below 63 with this. */
const NAME_LIMIT = 40;
/** What the controller learns of its own pod. */
const CONTROLLER_VARIABLES = new Set(["POD_NAME"]);

/** What depends on several properties of the install. */
export function checkInstall(install: ResolvedInstall): Problem[] {
  const { controller, helper, healthCheck, manager, dynamoWatcher, runtimeClass, kueue } = install;
  const gate = gateTaint(install);
  return [
    ...checkName(install.name),
    ...checkNamespaces(install),
    ...ownVariables(["helper", "env"], helper.env, AGENT_VARIABLES),
    ...ownVariables(["healthCheck", "env"], healthCheck.env, AGENT_VARIABLES),
    ...ownVariables(["manager", "env"], manager.env, MANAGER_VARIABLES),
    ...(controller ? ownVariables(["controller", "env"], controller.env, CONTROLLER_VARIABLES) : []),
    ...(dynamoWatcher ? ownVariables(["dynamoWatcher", "env"], dynamoWatcher.env, MANAGER_VARIABLES) : []),
    ...(runtimeClass ? startupTolerations(gate, ["runtimeClass"], runtimeClass.tolerations) : []),
    ...(kueue ? kueue.flavors : []).flatMap(({ tolerations }, index) =>
      startupTolerations(gate, ["kueue", "flavors", index], tolerations),
    ),
    ...checkPods(install),
    ...checkAccounts(install),
    ...checkGate(install),
    ...(kueue ? under(["kueue"], checkKueue(kueue, gate)) : []),
    ...refuseSecrets(install),
  ];
}

/** Namespaces that Kubernetes makes for itself. */
const OTHERS_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** A Namespace that is part of the install gets its labels, and goes when the install goes. */
function checkNamespaces({ createNamespace, namespace, agentNamespace }: ResolvedInstall): Problem[] {
  if (!createNamespace) return [];
  return Object.entries({ namespace, agentNamespace })
    .filter(([, name]) => name !== undefined && OTHERS_NAMESPACES.includes(name))
    .map(([property, name]) => ({
      code: "foreign-namespace",
      path: [property],
      message: "belongs to Kubernetes: the install would relabel it, and take it away with itself",
      given: printable(name),
      allowed: "a namespace of its own, such as cedana-system",
      remedy: "or set createNamespace: false",
    }));
}

/** What depends on both engine and install. Paths begin with `install` or `engine`. */
export function checkTogether(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  return [
    ...(engine.kind === "cedana" ? checkWithCedana(engine, install) : checkWithKubelet(install)),
    ...checkRestore(engine.kind, install),
  ];
}

function checkWithCedana(engine: ResolvedCedanaEngine, install: ResolvedInstall): Problem[] {
  const problems: Problem[] = [];
  if (install.helper.service && (engine.protocol !== "tcp" || isLoopback(engine))) {
    problems.push({
      code: "service-without-port",
      path: ["install", "helper", "service"],
      message: "leads nowhere: the daemon cannot be reached from other pods",
      given: `protocol ${engine.protocol}, address ${printable(listenAddress(engine))}`,
      allowed: "a Service with protocol tcp and an address such as 0.0.0.0:8080, which exposeDaemon allows",
      remedy: "leave the Service out",
    });
  }
  if (nativeVersion(engine, install) === undefined) {
    problems.push({
      code: "missing",
      path: ["engine", "pluginsNativeVersion"],
      message:
        "is required, because the tag of the helper's image is no version; the agent would fetch the latest",
      given: `tag ${printable(install.helper.image.tag)}`,
      allowed: "a version such as v0.9.297",
    });
  }
  return problems;
}

/** Version of the plugins that are built with the agent: it must be the agent's own. */
export function nativeVersion(engine: ResolvedCedanaEngine, install: ResolvedInstall): string | undefined {
  if (engine.pluginsNativeVersion !== undefined) return engine.pluginsNativeVersion;
  const { tag } = install.helper.image;
  return check(pinnedVersion, tag).problems ? undefined : tag;
}

function checkName(name: string): Problem[] {
  if (isToken(name)) return [];
  const given = printable(name);
  const path = ["name"];
  const message = "is too long: names of objects begin with it";
  return [
    ...(name.length > NAME_LIMIT
      ? [{ code: "name-too-long", path, message, given, allowed: `at most ${NAME_LIMIT} characters` }]
      : []),
    ...(/^\d/.test(name)
      ? [
          {
            code: "name-begins-with-digit",
            path,
            message: "begins with a digit, which the name of a Service must not",
            given,
            allowed: "a letter first",
          },
        ]
      : []),
  ];
}

function startupTolerations(gate: Taint, of: PropertyPath, tolerations: readonly Toleration[]): Problem[] {
  return tolerations.flatMap(({ effect, key, operator }, index) => {
    const all = key === undefined && operator === "Exists" && (effect ?? gate.effect) === gate.effect;
    if (key !== gate.key && !all) return [];
    return [
      {
        code: "gate-tolerated",
        path: [...of, "tolerations", index],
        message: "lets pods onto nodes whose agent is not ready yet",
        given: key ?? "every taint",
        remedy: all
          ? `name the taints: ${gate.key} must not be one of them`
          : "leave it out: the taint goes away when the agent is ready",
      },
    ];
  });
}
