/** Checkpoints and restores of pods by the service of the node. */
import { NodeServiceClient } from "../../../clients/node-service";
import type { CriuAgentSettings } from "../../../config/programs/agent";
import { Journal, NODE_CHECKPOINT, Queue } from "../../work";
import type { EngineTools, Runner } from "../engine";
import { CriuCheckpointWork } from "./checkpoint-job";
import { artifactsWith, TIMES, type CriuContext } from "./context";
import { NODE_RESTORE } from "./node-restores";
import { CriuRestoreWork } from "./restore-work";
import { Slots } from "./slots";

/** Returns what processes the NodeCheckpoints and NodeRestores of a node. */
export function criuRunners(settings: CriuAgentSettings, tools: EngineTools): readonly Runner[] {
  const { client, identity, log, stop } = tools;
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
  const checkpoints = tools.objects(NODE_CHECKPOINT);
  const checkpointQueue = new Queue(new CriuCheckpointWork(context, stop), checkpoints, log, stop);
  const restores = tools.objects(NODE_RESTORE);
  const isKnown = (podUID: string) => restores.get(`${settings.namespace}/${podUID}`) !== undefined;
  const restoreWork = new CriuRestoreWork(context, isKnown, stop);
  const restoreQueue = new Queue(restoreWork, restores, log, stop);
  return [
    {
      synced: checkpoints.synced,
      start: () => checkpointQueue.start(),
      drained: () => checkpointQueue.drained(),
    },
    {
      synced: restores.synced,
      async start() {
        await restoreQueue.start();
        // In the background: restores do not wait for the service. It rejects only when the process stops.
        void restoreWork.findOrphans().then(
          () => restoreQueue.wake(),
          () => undefined,
        );
      },
      drained: () => restoreQueue.drained(),
    },
  ];
}
