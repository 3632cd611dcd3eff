/** What an API server would refuse of the pods of the install, told before anything reaches one. */
import type { Problem, PropertyPath } from "../schema/problem";
import { parseQuantity } from "../schema/quantity";
import type { Toleration } from "../pod";
import type { ResolvedInstall } from "./schema";

export function checkPods(install: ResolvedInstall): Problem[] {
  const { controller, dynamoWatcher, healthCheck, helper, imagePullSecrets, manager, runtimeClass, kueue } =
    install;
  return [
    ...checkTolerations(["helper", "tolerations"], helper.tolerations),
    ...checkTolerations(["manager", "tolerations"], manager.tolerations ?? []),
    ...(controller ? checkTolerations(["controller", "tolerations"], controller.tolerations) : []),
    ...(dynamoWatcher ? checkTolerations(["dynamoWatcher", "tolerations"], dynamoWatcher.tolerations) : []),
    ...(runtimeClass ? checkTolerations(["runtimeClass", "tolerations"], runtimeClass.tolerations) : []),
    ...(kueue ? kueue.flavors : []).flatMap(({ tolerations }, index) =>
      checkTolerations(["kueue", "flavors", index, "tolerations"], tolerations),
    ),
    ...checkRollout(helper.updateStrategy),
    ...checkResources(["helper"], helper.resources),
    ...checkResources(["healthCheck"], healthCheck.resources),
    ...checkResources(["manager"], manager.resources),
    ...(manager.metrics ? checkResources(["manager", "metrics"], manager.metrics.resources) : []),
    ...(controller ? checkResources(["controller"], controller.resources) : []),
    ...(dynamoWatcher ? checkResources(["dynamoWatcher"], dynamoWatcher.resources) : []),
    ...imagePullSecrets.flatMap((name, index) =>
      imagePullSecrets.indexOf(name) < index
        ? [
            {
              code: "duplicate-name",
              path: ["imagePullSecrets", index],
              message: "is named above",
              given: name,
            },
          ]
        : [],
    ),
  ];
}

function checkTolerations(path: PropertyPath, tolerations: readonly Toleration[]): Problem[] {
  return tolerations.flatMap(({ effect, key, operator = "Equal", tolerationSeconds, value }, index) => {
    const problems: Problem[] = [];
    if (key === undefined && operator === "Equal") {
      problems.push({
        code: "toleration-without-key",
        path: [...path, index],
        message: "names no taint",
        allowed: "a key, or operator: Exists for every taint",
      });
    }
    if (operator === "Exists" && value !== undefined && value !== "") {
      problems.push({
        code: "value-against-operator",
        path: [...path, index, "value"],
        message: "has no meaning with the operator Exists",
        given: value,
        remedy: "leave the value out, or set operator: Equal",
      });
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      problems.push({
        code: "seconds-against-effect",
        path: [...path, index, "tolerationSeconds"],
        message: "has a meaning with the effect NoExecute only",
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
      code: "rollout-stands-still",
      path: ["helper", "updateStrategy"],
      message: none(maxSurge)
        ? "could not replace any pod"
        : "has both, of which Kubernetes takes one only for a DaemonSet",
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

function checkResources(of: PropertyPath, { requests, limits }: Resources): Problem[] {
  return Object.entries(requests).flatMap(([resource, request]) => {
    const limit = limits[resource];
    const [least, most] = [parseQuantity(request), parseQuantity(limit ?? "")];
    if (least === undefined || most === undefined || least <= most) return [];
    return [
      {
        code: "request-above-limit",
        path: [...of, "resources", "requests", resource],
        message: "is more than the limit",
        given: `${request}, limit ${limit}`,
        remedy: "give requests and limits together",
      },
    ];
  });
}
