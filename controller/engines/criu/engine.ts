import { KEEP_SECONDS } from "../../../api";
import type { CheckpointSettings } from "../../../config/programs/controller";
import {
  defined,
  refusal,
  type CheckpointResult,
  type EngineArtifacts,
  type PodCheckpointRequest,
  type PodCheckpointResult,
  type PodEngine,
  type PlanRestore,
  type StateOfRequest,
} from "../engine";
import type { NodeCheckpoints } from "../node-checkpoints";

export type CriuSettings = Extract<CheckpointSettings, { readonly engine: "criu" }>;

/**
 * CRIU on the nodes, through this project's agent on each node: one NodeCheckpoint for all containers of a pod, which are
 * stored as one image. A runtime handler restores pods by a plan that the agent prepares.
 */
export class CriuEngine implements PodEngine {
  readonly name = "criu";
  readonly canResume = true;
  readonly handlesCedanas = false;
  readonly restoreMethod: PlanRestore;
  readonly timeoutMs: number;
  readonly sources: PodEngine["sources"];
  readonly artifacts?: EngineArtifacts;

  constructor(
    private readonly settings: CriuSettings,
    private readonly agents: NodeCheckpoints,
  ) {
    const { agent, runtimeClasses, restore } = settings;
    const { namespace, repository, repositoryPerNamespace } = agent;
    this.restoreMethod = { namespace, repository, repositoryPerNamespace, runtimeClasses, ...restore };
    this.timeoutMs = agents.timeoutMs;
    this.sources = [agents.objects];
    if (settings.artifacts)
      this.artifacts = {
        ...settings.artifacts,
        repositories: { repository, repositoryPerNamespace },
        isPending: (uid) => agents.has(uid),
      };
  }

  async checkpointPod(
    { containers, baseImages, leaveRunning, location, late, progress, ...pod }: PodCheckpointRequest,
    signal: AbortSignal,
  ): Promise<PodCheckpointResult> {
    if (location !== undefined)
      throw refusal("engine criu does not support location: the configuration names the repository");
    const { tcp, preDump, freezeSeconds } = this.settings;
    const options = { tcp, preDump, leaveRunning, freezeSeconds };
    const images = baseImages.length === 0 ? {} : { baseImages };
    const what = { containerNames: containers, options, ...images };
    // Without the processes the node has the only copy until it is pushed.
    const keepMs = leaveRunning ? KEEP_SECONDS * 1000 : Infinity;
    const reports = { ...(late && { late }), ...(progress && { progress }) };
    const status = await this.agents.request({ ...pod, what, keepMs, ...reports }, signal);
    const { image, digest, sizeBytes, architecture, frozenMilliseconds } = status;
    const common = { checkpointID: digest, location: image, architecture };
    const resultOf = (container: string): CheckpointResult => {
      const { baseImage, notRestored } = status.containers?.find(({ name }) => name === container) ?? {};
      return defined({ ...common, baseImage, notRestored });
    };
    return {
      containers: new Map(containers.map((container) => [container, resultOf(container)])),
      ...defined({ sizeBytes, frozenMilliseconds }),
    };
  }

  forget(id: string, signal: AbortSignal): Promise<void> {
    return this.agents.forget(id, signal);
  }

  sweep(stateOf: StateOfRequest, signal: AbortSignal): Promise<void> {
    return this.agents.sweep(stateOf, signal);
  }
}
