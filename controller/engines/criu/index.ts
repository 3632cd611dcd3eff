/** The engine criu. */
import type { EngineTools } from "../engine";
import { NodeCheckpoints } from "../node-checkpoints";
import { CriuEngine, type CriuSettings } from "./engine";

/** Creates the engine for the agents of the settings. */
export function createCriuEngine(settings: CriuSettings, tools: EngineTools): CriuEngine {
  return new CriuEngine(settings, new NodeCheckpoints({ ...tools, place: settings.agent }));
}
