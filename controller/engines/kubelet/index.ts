/** The engine kubelet. */
import type { CheckpointSettings } from "../../../config/programs/controller";
import type { EngineTools } from "../engine";
import { NodeCheckpoints } from "../node-checkpoints";
import { KubeletEngine } from "./engine";

/** Creates the engine for the agents of the settings. */
export function createKubeletEngine(
  { agent }: Extract<CheckpointSettings, { readonly engine: "kubelet" }>,
  tools: EngineTools,
): KubeletEngine {
  return new KubeletEngine(new NodeCheckpoints({ ...tools, place: agent }));
}
