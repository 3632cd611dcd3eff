import { reservedVariables, type ResolvedInstall } from "../../install";
import { under, type Problem } from "../../schema/problem";
import type { ResolvedKubeletEngine } from "./schema";

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
