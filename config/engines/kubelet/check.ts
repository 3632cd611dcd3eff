import { checkKubeletFeatures } from "./features";
import { under, type Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";
import type { ResolvedKubeletEngine } from "./schema";
import { reservedVariables, type ResolvedInstall } from "../../install";

/** What depends on several properties of the engine `kubelet`. */
export function checkKubeletEngine(engine: ResolvedKubeletEngine): Problem[] {
  return [...checkImage(engine), ...checkPlain(engine), ...checkKubeletFeatures(engine)];
}

/** Checks that values with which the toolkit itself computes are known when it synthesizes. */
function checkPlain(engine: ResolvedKubeletEngine): Problem[] {
  return (["quota", "reserve"] as const)
    .filter((property) => isToken(engine[property]))
    .map((property) => ({
      code: "not-plain",
      path: [property],
      message: "is known only when Terraform runs, but is converted to bytes before",
      allowed: "a plain value",
    }));
}

function checkImage({ image }: ResolvedKubeletEngine): Problem[] {
  if (image.tag !== undefined || image.digest !== undefined) return [];
  return [
    {
      code: "missing",
      path: ["image"],
      message: "does not say which image of the repository",
      given: image.repository,
      allowed: "a digest, or a tag such as 0.1.0",
    },
  ];
}

/** Environment variables with facts of the pod, which the install sets. */
const POD_VARIABLES = new Set(["NODE_NAME", "HOST_IP", "POD_NAME", "POD_NAMESPACE", "POD_UID"]);

/** Checks engine and install together. */
export function checkKubeletInstall(_: ResolvedKubeletEngine, install: ResolvedInstall): Problem[] {
  const { healthCheck, helper } = install;
  return under(
    ["install"],
    [
      ...reservedVariables(["helper", "env"], helper.env, POD_VARIABLES),
      ...reservedVariables(["healthCheck", "env"], healthCheck.env, POD_VARIABLES),
    ],
  );
}
