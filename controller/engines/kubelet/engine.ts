import {
  nodeCheckpointName,
  type CheckpointReason,
  type NodeCheckpointReason,
  type NodeCheckpointStatus,
} from "../../../api";
import { sleep, type CachedObjects } from "../../../kube";
import type { Runtime } from "../../runtime";
import { EngineError, type CheckpointRequest, type CheckpointResult, type Engine } from "../engine";
import { NodeCheckpointClient } from "./node-checkpoint-client";
import { idOf, NODE_CHECKPOINT, nodeCheckpointFor, type NodeCheckpointObject, type Place } from "./object";

export interface KubeletEngineOptions extends Pick<Runtime, "cache" | "client" | "log"> {
  readonly place: Place;
}

/** How long an agent may take to say a first word. */
const ANSWER_MS = 60_000;
/** What an agent may take beyond the time of the checkpoint, to begin and to write its end. */
const SLACK_MS = 120_000;
/** How often the API server itself is asked, besides what the watch tells. */
const LOOK_MS = 15_000;

/**
 * The kubelet, through this project's agent on each node. It is asked by NodeCheckpoint objects, whose names follow from
 * the Checkpoint: a controller that comes after one that died finds what that one asked, and its answer.
 */
export class KubeletEngine implements Engine {
  readonly name = "kubelet";
  readonly canDelete = false;
  readonly canResume = true;
  readonly timeoutMs: number;
  readonly sources: readonly CachedObjects<NodeCheckpointObject>[];
  private readonly objects: CachedObjects<NodeCheckpointObject>;
  private readonly nodeCheckpoints: NodeCheckpointClient;
  /** What wakes those who follow a NodeCheckpoint, by its name. */
  private readonly wakes = new Map<string, () => void>();

  constructor(private readonly options: KubeletEngineOptions) {
    const { place, client, cache } = options;
    this.timeoutMs = place.timeoutSeconds * 1000 + SLACK_MS;
    this.nodeCheckpoints = new NodeCheckpointClient(client, place.namespace);
    this.objects = cache.objects(NODE_CHECKPOINT, { namespaces: [place.namespace] });
    this.sources = [this.objects];
    this.objects.onChange(({ old, new: now }) => this.wakes.get((now ?? old)?.metadata.name ?? "")?.());
  }

  async checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult> {
    if (!request.leaveRunning)
      throw refusal(
        "the kubelet lets the container run on: leaveRunning: false is not possible with this engine",
      );
    if (request.location !== undefined)
      throw refusal("images go to the repository of cedana.yaml: location is not possible with this engine");
    await this.nodeCheckpoints.create(nodeCheckpointFor(request, this.options.place), signal);
    return this.follow(request, signal);
  }

  restore(): Promise<void> {
    return Promise.reject(
      refusal("a container is restored by a new pod: annotate it with cedana.ai/restore-from"),
    );
  }

  list(): Promise<never> {
    return Promise.reject(refusal("the kubelets are not asked for lists: kubectl get pods shows containers"));
  }

  delete(): Promise<void> {
    return Promise.reject(refusal("images are deleted in their registry, by its own rules"));
  }

  async health(signal: AbortSignal): Promise<void> {
    await this.nodeCheckpoints.read("health", signal);
  }

  forget(id: string, container: string, signal: AbortSignal): Promise<void> {
    return this.nodeCheckpoints.delete(nodeCheckpointName(id, container), signal);
  }

  async sweep(isWanted: (id: string) => boolean, signal: AbortSignal): Promise<void> {
    for (const object of this.objects.list()) {
      if (isWanted(idOf(object))) continue;
      await this.nodeCheckpoints.delete(object.metadata.name, signal);
      this.options.log.info({ nodeCheckpoint: object.metadata.name }, "deleted orphaned NodeCheckpoint");
    }
  }

  /** Waits for the end that the agent writes. @throws EngineError; the signal's reason */
  private async follow(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult> {
    const { place } = this.options;
    const name = nodeCheckpointName(request.id, request.container);
    const since = Date.now();
    for (;;) {
      const seen = this.objects.get(`${place.namespace}/${name}`);
      const result = seen && resultOf(seen.status);
      if (result) return result;
      if (await this.changes(name, signal)) continue;
      signal.throwIfAborted();
      const found = await this.look(name, request.nodeName, Date.now() - since, signal);
      if (found) return found;
    }
  }

  /** Reads from the API server, and judges whether there is still something to wait for. */
  private async look(
    name: string,
    nodeName: string,
    waitedMs: number,
    signal: AbortSignal,
  ): Promise<CheckpointResult | undefined> {
    let live: NodeCheckpointObject | undefined;
    try {
      live = await this.nodeCheckpoints.read(name, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.options.log.warn({ nodeCheckpoint: name, err: error }, "not read");
      return undefined;
    }
    const { namespace, timeoutSeconds } = this.options.place;
    if (!live) throw failure(`NodeCheckpoint ${namespace}/${name} was deleted by somebody else`);
    const result = resultOf(live.status);
    if (result) return result;
    if (waitedMs >= ANSWER_MS && live.status.conditions === undefined) {
      const message = `the agent of node ${nodeName} has not answered within ${ANSWER_MS / 1000} s: is its pod there and running (kubectl get pods -n ${namespace} -o wide), and is the node one of the install's?`;
      throw failure(message, "AgentNotAnswering");
    }
    if (waitedMs < this.timeoutMs) return undefined;
    const said = live.status.conditions?.[0]?.message ?? "nothing";
    throw failure(
      `the agent of node ${nodeName} did not come to an end within ${timeoutSeconds} s and some; it last said: ${said}`,
      "AgentNotAnswering",
    );
  }

  /** @returns true once the object has changed; false after a while, or at the signal */
  private async changes(name: string, signal: AbortSignal): Promise<boolean> {
    const change = new AbortController();
    this.wakes.set(name, () => change.abort());
    await sleep(LOOK_MS, AbortSignal.any([signal, change.signal]));
    this.wakes.delete(name);
    return change.signal.aborted;
  }
}

/** Why the agent failed, in the words that Checkpoints have for it. */
const REASONS: Readonly<Partial<Record<NodeCheckpointReason, CheckpointReason>>> = {
  QuotaExceeded: "QuotaExceeded",
  RegistryFailed: "RegistryFailed",
  ContainerNotFound: "ContainerNotFound",
  SourcePodReplaced: "SourcePodReplaced",
};

/** @returns undefined while it is not over. @throws EngineError if it failed */
function resultOf(status: NodeCheckpointStatus): CheckpointResult | undefined {
  const holds = (type: string) =>
    status.conditions?.find((condition) => condition.type === type && condition.status === "True");
  const failed = holds("Failed");
  if (failed) throw failure(failed.message, REASONS[failed.reason]);
  if (!holds("Ready")) return undefined;
  const { image, digest, sizeBytes, architecture, baseImage, frozenMilliseconds, notRestored } = status;
  const result: Record<string, unknown> = {
    checkpointID: digest,
    location: image,
    sizeBytes,
    architecture,
    baseImage,
    frozenMilliseconds,
    notRestored,
  };
  return Object.fromEntries(Object.entries(result).filter(([, value]) => value !== undefined));
}

function refusal(message: string): EngineError {
  return new EngineError(message, { outcome: "refused", retryable: false });
}

function failure(message: string, reason?: CheckpointReason): EngineError {
  return new EngineError(message, { outcome: "failed", retryable: false, ...(reason && { reason }) });
}
