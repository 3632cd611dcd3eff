/** Checks of pods that an API server would reject. */
import type { Problem, PropertyPath } from "../schema/problem";
import { parseQuantity } from "../schema/quantity";
import type { Taint } from "../nodes/taint";
import type { Toleration } from "../pod";
import type { ResolvedInstall } from "./schema";

/** Checks the pods that do not depend on the engine. */
export function checkPods(install: ResolvedInstall): Problem[] {
  const { controller, healthCheck, helper, imagePullSecrets, kueue } = install;
  return [
    ...checkTolerations(["helper", "tolerations"], helper.tolerations),
    ...(controller ? checkTolerations(["controller", "tolerations"], controller.tolerations) : []),
    ...(kueue ? kueue.flavors : []).flatMap(({ tolerations }, index) =>
      checkTolerations(["kueue", "flavors", index, "tolerations"], tolerations),
    ),
    ...checkRollout(helper.updateStrategy),
    ...checkResources(["helper"], helper.resources),
    ...checkResources(["healthCheck"], healthCheck.resources),
    ...(controller ? checkResources(["controller"], controller.resources) : []),
    ...imagePullSecrets.flatMap((name, index) =>
      imagePullSecrets.indexOf(name) < index
        ? [
            {
              code: "duplicate-name",
              path: ["imagePullSecrets", index],
              message: "is already in the list",
              given: name,
            },
          ]
        : [],
    ),
  ];
}

/** Rejects environment variables of the user that the install sets. */
export function reservedVariables(
  path: PropertyPath,
  given: Readonly<Record<string, string>>,
  reserved: ReadonlySet<string>,
): Problem[] {
  return Object.keys(given)
    .filter((name) => reserved.has(name))
    .map((name) => ({
      code: "reserved-variable",
      path: [...path, name],
      message: "is set by the install",
      remedy: "remove it, or use the property of engine or install that sets it",
    }));
}

/** Rejects tolerations of the startup taint: their pods would start before the node's agent is ready. */
export function toleratesGate(
  gate: Taint,
  path: PropertyPath,
  tolerations: readonly Toleration[],
): Problem[] {
  return tolerations.flatMap(({ effect, key, operator }, index) => {
    const every = key === undefined && operator === "Exists" && (effect ?? gate.effect) === gate.effect;
    if (key !== gate.key && !every) return [];
    return [
      {
        code: "gate-tolerated",
        path: [...path, "tolerations", index],
        message: "allows pods on nodes whose agent is not ready",
        given: key ?? "every taint",
        remedy: every
          ? `list the taints, without ${gate.key}`
          : "remove it: the taint is removed when the agent is ready",
      },
    ];
  });
}

/** Checks tolerations by the rules of Kubernetes. */
export function checkTolerations(path: PropertyPath, tolerations: readonly Toleration[]): Problem[] {
  return tolerations.flatMap(({ effect, key, operator = "Equal", tolerationSeconds, value }, index) => {
    const problems: Problem[] = [];
    if (key === undefined && operator === "Equal") {
      problems.push({
        code: "toleration-without-key",
        path: [...path, index],
        message: "has no key",
        allowed: "a key, or operator: Exists for every taint",
      });
    }
    if (operator === "Exists" && value !== undefined && value !== "") {
      problems.push({
        code: "value-with-exists",
        path: [...path, index, "value"],
        message: "has no effect with the operator Exists",
        given: value,
        remedy: "remove the value, or set operator: Equal",
      });
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      problems.push({
        code: "seconds-without-no-execute",
        path: [...path, index, "tolerationSeconds"],
        message: "has an effect only with the effect NoExecute",
        given: String(tolerationSeconds),
        remedy: "leave it out, or set effect: NoExecute",
      });
    }
    return problems;
  });
}

function checkRollout({
  type,
  maxSurge,
  maxUnavailable,
}: ResolvedInstall["helper"]["updateStrategy"]): Problem[] {
  const none = (count: number | string) => count === 0 || count === "0%";
  if (type === "OnDelete" || none(maxSurge) !== none(maxUnavailable)) return [];
  return [
    {
      code: "blocked-rollout",
      path: ["helper", "updateStrategy"],
      message: none(maxSurge)
        ? "cannot replace any pod"
        : "sets both, but a DaemonSet supports only one of them",
      given: `maxSurge ${maxSurge}, maxUnavailable ${maxUnavailable}`,
      allowed: "one of them 0, the other not",
      remedy: none(maxSurge) ? "set maxUnavailable to 1 or more" : "set maxSurge: 0",
    },
  ];
}

interface Resources {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
}

/** Checks that no request is above its limit. */
export function checkResources(of: PropertyPath, { requests, limits }: Resources): Problem[] {
  return Object.entries(requests).flatMap(([resource, request]) => {
    const limit = limits[resource];
    const [least, most] = [parseQuantity(request), parseQuantity(limit ?? "")];
    if (least === undefined || most === undefined || least <= most) return [];
    return [
      {
        code: "request-above-limit",
        path: [...of, "resources", "requests", resource],
        message: "is above the limit",
        given: `${request}, limit ${limit}`,
        remedy: "set requests and limits together",
      },
    ];
  });
}
