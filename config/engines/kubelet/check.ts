import { checkKubeletFeatures } from "./features";
import type { Problem } from "../../schema/problem";
import type { ResolvedKubeletEngine } from "./schema";
import type { ResolvedInstall } from "../../install";
import { checkAgentPods, checkNodeAgent } from "../node-agent";

/** Checks the engine `kubelet` across several properties. */
export function checkKubeletEngine(engine: ResolvedKubeletEngine): Problem[] {
  return [...checkNodeAgent(engine), ...checkKubeletFeatures(engine)];
}

/** Checks the engine together with the install. Paths begin with `install`. */
export function checkKubeletInstall(_: ResolvedKubeletEngine, install: ResolvedInstall): Problem[] {
  return checkAgentPods(install);
}
