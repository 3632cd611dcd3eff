/** Checkpoints and restores of pods by the service of the node. */
import { NodeServiceClient } from "../../../clients/node-service";
import type { AgentSettings } from "../../../config/programs/agent";
import { Journal } from "../../work";
import type { EngineTools, Runner } from "../engine";
import { artifactsWith, TIMES, type CriuContext } from "./context";
import { MemoryWatcher } from "./memory-watcher";
import { runnersFor } from "./runners";
import { Slots } from "./slots";

/** Returns what processes the NodeCheckpoints and NodeRestores of a node. */
export function criuRunners(settings: AgentSettings, tools: EngineTools): readonly Runner[] {
  const { client, identity, log } = tools;
  const node = new NodeServiceClient(settings.socket);
  const context: CriuContext = {
    settings,
    client,
    node,
    journal: new Journal(settings.state, log),
    artifacts: artifactsWith(node, settings.registry, identity),
    pulls: new Slots(settings.maxConcurrent),
    times: TIMES,
    log,
  };
  return [...runnersFor(context, tools), ...(settings.memoryWatches ? [new MemoryWatcher(node, tools)] : [])];
}
