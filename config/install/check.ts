import { checkKueue } from "../integrations";
import { printable, under, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { refuseSecrets } from "../secret";
import { checkGate } from "./check-gate";
import { checkPods, reservedVariables, toleratesGate } from "./check-pods";
import { gateTaint } from "./readiness-gate";
import type { ResolvedInstall } from "./schema";

/** The longest suffix of an object's name is `-dynamo-watcher-...`. With it, names stay below 63 characters. */
const NAME_LIMIT = 40;
/** Environment variables of the controller that the install sets. */
const CONTROLLER_VARIABLES = new Set(["POD_NAME"]);

/** Checks the install by itself. */
export function checkInstall(install: ResolvedInstall): Problem[] {
  const { controller, kueue } = install;
  const gate = gateTaint(install);
  return [
    ...checkName(install.name),
    ...checkNamespaces(install),
    ...(controller ? reservedVariables(["controller", "env"], controller.env, CONTROLLER_VARIABLES) : []),
    ...(kueue ? kueue.flavors : []).flatMap(({ tolerations }, index) =>
      toleratesGate(gate, ["kueue", "flavors", index], tolerations),
    ),
    ...checkPods(install),
    ...checkGate(install),
    ...(kueue ? under(["kueue"], checkKueue(kueue, gate)) : []),
    ...refuseSecrets(install),
  ];
}

/** Namespaces of Kubernetes. */
const SYSTEM_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** A namespace of the install gets the labels of the install, and is deleted with it. */
function checkNamespaces({ createNamespace, namespace, agentNamespace }: ResolvedInstall): Problem[] {
  if (!createNamespace) return [];
  return Object.entries({ namespace, agentNamespace })
    .filter(([, name]) => name !== undefined && SYSTEM_NAMESPACES.includes(name))
    .map(([property, name]) => ({
      code: "system-namespace",
      path: [property],
      message: "belongs to Kubernetes; the install would change its labels and delete it",
      given: printable(name),
      allowed: "another namespace, such as cedana-system",
      remedy: "choose another, or set createNamespace: false",
    }));
}

function checkName(name: string): Problem[] {
  if (isToken(name)) return [];
  const given = printable(name);
  const path = ["name"];
  const message = "is too long for a prefix of object names";
  return [
    ...(name.length > NAME_LIMIT
      ? [{ code: "name-too-long", path, message, given, allowed: `at most ${NAME_LIMIT} characters` }]
      : []),
    ...(/^\d/.test(name)
      ? [
          {
            code: "name-begins-with-digit",
            path,
            message: "begins with a digit, which Kubernetes rejects for Services",
            given,
            allowed: "a letter first",
          },
        ]
      : []),
  ];
}
