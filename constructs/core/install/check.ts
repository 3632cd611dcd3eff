import {
  AGENT_VARIABLES,
  MANAGER_VARIABLES,
  pinnedVersion,
  refuseSecrets,
  type ResolvedEngine,
} from "../engine";
import type { Problem, PropertyPath } from "../problem";
import { printable, under } from "../problem";
import { check } from "../schema";
import { isToken } from "../token";
import { checkKueue } from "./kueue";
import type { ResolvedInstall } from "./schema";

/** The longest suffix of an object's name is `-dynamo-watcher-…`; names stay below 63 with this. */
const NAME_LIMIT = 40;
const NOT_READY = "cedana.ai/not-ready";

/** What depends on several properties of the install. */
export function checkInstall(install: ResolvedInstall): Problem[] {
  const { helper, healthCheck, manager, dynamoWatcher, runtimeClass, kueue } = install;
  return [
    ...checkName(install.name),
    ...checkNamespaces(install),
    ...ownVariables(["helper", "env"], helper.env, AGENT_VARIABLES),
    ...ownVariables(["healthCheck", "env"], healthCheck.env, AGENT_VARIABLES),
    ...ownVariables(["manager", "env"], manager.env, MANAGER_VARIABLES),
    ...(dynamoWatcher ? ownVariables(["dynamoWatcher", "env"], dynamoWatcher.env, MANAGER_VARIABLES) : []),
    ...(runtimeClass ? startupTolerations(runtimeClass.tolerations) : []),
    ...(kueue ? under(["kueue"], checkKueue(kueue)) : []),
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
  const problems: Problem[] = [];
  if (install.helper.service && !(engine.protocol === "tcp" && engine.exposeDaemon)) {
    problems.push({
      code: "service-without-port",
      path: ["install", "helper", "service"],
      message: "leads nowhere: the daemon cannot be reached from other pods",
      given: `protocol ${engine.protocol}, exposeDaemon ${engine.exposeDaemon}`,
      allowed: "a Service with protocol tcp and exposeDaemon",
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
export function nativeVersion(engine: ResolvedEngine, install: ResolvedInstall): string | undefined {
  if (engine.pluginsNativeVersion !== undefined) return engine.pluginsNativeVersion;
  const { tag } = install.helper.image;
  return check(pinnedVersion, tag).problems ? undefined : tag;
}

function checkName(name: string): Problem[] {
  if (isToken(name) || name.length <= NAME_LIMIT) return [];
  return [
    {
      code: "name-too-long",
      path: ["name"],
      message: "is too long: names of objects begin with it",
      given: printable(name),
      allowed: `at most ${NAME_LIMIT} characters`,
    },
  ];
}

function ownVariables(
  path: PropertyPath,
  given: Readonly<Record<string, string>>,
  own: ReadonlySet<string>,
): Problem[] {
  return Object.keys(given)
    .filter((name) => own.has(name))
    .map((name) => ({
      code: "variable-is-set-already",
      path: [...path, name],
      message: "is set by the install itself",
      remedy: "use the property of engine that stands for it",
    }));
}

function startupTolerations(tolerations: readonly { key?: string }[]): Problem[] {
  return tolerations.flatMap(({ key }, index) =>
    key === NOT_READY
      ? [
          {
            code: "gate-tolerated",
            path: ["runtimeClass", "tolerations", index],
            message: "lets pods onto nodes whose agent is not ready yet",
            given: NOT_READY,
            remedy: "leave it out: the taint goes away when the agent is ready",
          },
        ]
      : [],
  );
}
