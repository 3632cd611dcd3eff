import { NODE_CHECKPOINT, Queue } from "../../work";
import type { EngineTools, Runner } from "../engine";
import { CriuCheckpointWork } from "./checkpoint-job";
import type { CriuContext } from "./context";
import { NODE_RESTORE } from "./node-restores";
import { CriuRestoreWork } from "./restore-work";

type Tools = Pick<EngineTools, "objects" | "log" | "stop">;

/** Returns what processes NodeCheckpoints, and what processes NodeRestores. */
export function runnersFor(context: CriuContext, tools: Tools): readonly Runner[] {
  return [checkpoints(context, tools), restores(context, tools)];
}

function checkpoints(context: CriuContext, { objects, log, stop }: Tools): Runner {
  const found = objects(NODE_CHECKPOINT);
  const queue = new Queue(new CriuCheckpointWork(context, stop), found, log, stop);
  return { synced: found.synced, start: () => queue.start(), drained: () => queue.drained() };
}

function restores(context: CriuContext, { objects, log, stop }: Tools): Runner {
  const found = objects(NODE_RESTORE);
  const { namespace } = context.settings;
  const isKnown = (podUID: string) => found.get(`${namespace}/${podUID}`) !== undefined;
  const work = new CriuRestoreWork(context, isKnown, stop);
  const queue = new Queue(work, found, log, stop);
  return {
    synced: found.synced,
    async start() {
      await queue.start();
      // In the background: checkpoints do not wait for it. It rejects only when the process stops.
      void work.findOrphans().then(
        () => queue.wake(),
        () => undefined,
      );
    },
    drained: () => queue.drained(),
  };
}
