/** Checkpoints by the kubelet: its archives are pushed as images. */
import type { KubeletAgentSettings } from "../../../config/programs/agent";
import { Journal, NODE_CHECKPOINT, Queue } from "../../work";
import type { EngineTools, Runner } from "../engine";
import { ArchiveDirectory } from "./archives";
import { pushWith, TIMES, type JobContext } from "./context";
import { KubeletWork } from "./job";

/** Returns what processes the NodeCheckpoints of a node. */
export function kubeletRunners(settings: KubeletAgentSettings, tools: EngineTools): readonly Runner[] {
  const { client, identity, log, stop } = tools;
  const context: JobContext = {
    settings,
    client,
    kubelet: tools.kubelet(settings.kubelet.port),
    journal: new Journal(settings.state, log),
    archives: new ArchiveDirectory(settings.archives),
    push: pushWith(settings.registry, identity),
    times: TIMES,
    log,
  };
  const objects = tools.objects(NODE_CHECKPOINT);
  const queue = new Queue(new KubeletWork(context, stop), objects, log, stop);
  return [{ synced: objects.synced, start: () => queue.start(), drained: () => queue.drained() }];
}
