/** Checks of pod settings that the API server would reject. */
import type { Problem, PropertyPath } from "../schema/problem";
import { parseQuantity } from "../schema/quantity";
import type { Taint } from "../nodes/taint";
import type { Toleration } from "../pod";
import type { ResolvedInstall } from "./schema";

/** Checks the pod settings that do not depend on the engine. */
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

/** Rejects environment variables that the install sets. */
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

/** Rejects tolerations of the startup taint, which would allow pods on gated nodes. */
export function toleratesGate(
  gate: Taint,
  path: PropertyPath,
  tolerations: readonly Toleration[],
): Problem[] {
  return tolerations.flatMap(({ effect, key, operator }, index) => {
    const toleratesAll =
      key === undefined && operator === "Exists" && (effect ?? gate.effect) === gate.effect;
    if (key !== gate.key && !toleratesAll) return [];
    return [
      {
        code: "startup-taint-tolerated",
        path: [...path, "tolerations", index],
        message: "tolerates the startup taint",
        given: key ?? "every taint",
        remedy: toleratesAll
          ? `list the taints to tolerate, without ${gate.key}`
          : "remove it: pods must wait until the agent is ready",
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
        message: "requires the effect NoExecute",
        given: String(tolerationSeconds),
        remedy: "remove it, or set effect: NoExecute",
      });
    }
    return problems;
  });
}

/** Checks that exactly one of maxSurge and maxUnavailable is zero, as DaemonSets require. */
function checkRollout({
  type,
  maxSurge,
  maxUnavailable,
}: ResolvedInstall["helper"]["updateStrategy"]): Problem[] {
  const isZero = (count: number | string) => count === 0 || count === "0%";
  if (type === "OnDelete" || isZero(maxSurge) !== isZero(maxUnavailable)) return [];
  return [
    {
      code: "blocked-rollout",
      path: ["helper", "updateStrategy"],
      message: isZero(maxSurge)
        ? "cannot replace any pod"
        : "sets maxSurge and maxUnavailable, but a DaemonSet supports only one",
      given: `maxSurge ${maxSurge}, maxUnavailable ${maxUnavailable}`,
      allowed: "exactly one of them 0",
      remedy: isZero(maxSurge) ? "set maxUnavailable to 1 or more" : "set maxSurge: 0",
    },
  ];
}

interface Resources {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
}

/** Checks that each request is at most its limit. */
export function checkResources(path: PropertyPath, { requests, limits }: Resources): Problem[] {
  return Object.entries(requests).flatMap(([resource, request]) => {
    const limit = limits[resource];
    const [least, most] = [parseQuantity(request), parseQuantity(limit ?? "")];
    if (least === undefined || most === undefined || least <= most) return [];
    return [
      {
        code: "request-above-limit",
        path: [...path, "resources", "requests", resource],
        message: "is above the limit",
        given: `${request}, limit ${limit}`,
        remedy: "lower the request, or raise the limit",
      },
    ];
  });
}
