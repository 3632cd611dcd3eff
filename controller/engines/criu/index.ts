/** The engine criu. */
import { ClusterIdentity } from "../../cluster";
import type { EngineTools } from "../engine";
import { NodeCheckpoints } from "../node-checkpoints";
import { CriuEngine, type CriuSettings } from "./engine";

/** Creates the engine for the agents of the settings. */
export function createCriuEngine(settings: CriuSettings, tools: EngineTools): CriuEngine {
  const cluster = settings.artifacts && new ClusterIdentity(tools.client);
  return new CriuEngine(settings, new NodeCheckpoints({ ...tools, place: settings.agent, cluster }));
}
