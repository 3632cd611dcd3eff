import {
  defined,
  refusal,
  type CheckpointRequest,
  type CheckpointResult,
  type ContainerEngine,
  type StateOfRequest,
} from "../engine";
import type { NodeCheckpoints } from "../node-checkpoints";

/** The kubelet, through this project's agent on each node: one NodeCheckpoint for each container. */
export class KubeletEngine implements ContainerEngine {
  readonly name = "kubelet";
  readonly canResume = true;
  readonly handlesCedanas = false;
  readonly timeoutMs: number;
  readonly sources: ContainerEngine["sources"];

  constructor(private readonly agents: NodeCheckpoints) {
    this.timeoutMs = agents.timeoutMs;
    this.sources = [agents.objects];
  }

  async checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult> {
    if (!request.leaveRunning) throw refusal("engine kubelet does not support leaveRunning: false");
    if (request.location !== undefined)
      throw refusal("engine kubelet does not support location: all images are pushed to one repository");
    const what = { containerName: request.container };
    const { image, digest, sizeBytes, architecture, baseImage, frozenMilliseconds, notRestored } =
      await this.agents.request({ ...request, what }, signal);
    return defined({
      checkpointID: digest,
      location: image,
      sizeBytes,
      architecture,
      baseImage,
      frozenMilliseconds,
      notRestored,
    });
  }

  forget(id: string, container: string | undefined, signal: AbortSignal): Promise<void> {
    return this.agents.forget(id, container, signal);
  }

  sweep(stateOf: StateOfRequest, signal: AbortSignal): Promise<void> {
    return this.agents.sweep(stateOf, signal);
  }
}
