import { type CheckpointEndReason, type NodeCheckpointReason, type NodeCheckpointStatus } from "../../../api";
import { repositoryOf, type Repositories } from "../../../config/programs";
import { sleep, type CachedObjects } from "../../../kube";
import type { ClusterIdentity } from "../../cluster";
import { isArtifactIn } from "../artifact";
import { EngineError, type EngineTools, type StateOfRequest } from "../engine";
import {
  NODE_CHECKPOINT,
  NodeCheckpointClient,
  nodeCheckpointFor,
  type NodeCheckpointObject,
  type NodeRequest,
  type Place,
} from "./client";
import { measurePushes } from "./pushes";

interface NodeCheckpointsOptions extends EngineTools {
  readonly place: Place;
  /** Identity that artifacts get. Undefined: none. */
  readonly cluster?: ClusterIdentity | undefined;
}

/** Time of an agent beyond the timeout of the checkpoint, to start and to write the outcome. */
const SLACK_MS = 120_000;
/** Interval of reads from the API server, in case the watch misses a change. */
const READ_INTERVAL_MS = 15_000;

/**
 * Requests checkpoints from this project's agent on each node. A request is a NodeCheckpoint object whose name is derived
 * from the Checkpoint: after a crash the next controller finds the request and its outcome.
 */
export class NodeCheckpoints {
  /** Time after which the agent no longer works on a request, ms. */
  readonly timeoutMs: number;
  readonly objects: CachedObjects<NodeCheckpointObject>;
  private readonly client: NodeCheckpointClient;
  /** Callbacks that end the wait for a change of a NodeCheckpoint, by its name. */
  private readonly wakes = new Map<string, () => void>();

  constructor(private readonly options: NodeCheckpointsOptions) {
    const { place, client, cache, metrics } = options;
    this.timeoutMs = place.timeoutSeconds * 1000 + SLACK_MS;
    this.client = new NodeCheckpointClient(client, place.namespace);
    this.objects = cache.objects(NODE_CHECKPOINT, { namespaces: [place.namespace] });
    measurePushes(this.objects, metrics);
    this.objects.onChange(({ old, new: now }) => this.wakes.get((now ?? old)?.metadata.name ?? "")?.());
  }

  /**
   * Creates the NodeCheckpoint, unless it exists, and waits for its outcome.
   * @returns its status, with the condition Ready
   * @throws EngineError if the agent failed; the signal's reason
   */
  async request(request: NodeRequest, signal: AbortSignal): Promise<NodeCheckpointStatus> {
    const object = nodeCheckpointFor(request, this.options.place, await this.cluster(signal));
    await this.client.create(object, signal);
    return this.follow(object.metadata.name, request, signal);
  }

  /** Returns the UID of the cluster. A checkpoint is worth more than its annotation: without it, the artifact is never swept. */
  private async cluster(signal: AbortSignal): Promise<string | undefined> {
    const { cluster, log } = this.options;
    try {
      return await cluster?.uid(signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error }, "cannot identify the cluster: the artifact does not name it");
      return undefined;
    }
  }

  /** Returns whether the NodeCheckpoint of a Checkpoint is cached. */
  has(id: string): boolean {
    return this.objects.get(`${this.options.place.namespace}/${id}`) !== undefined;
  }

  /** Deletes the NodeCheckpoint of a Checkpoint. */
  forget(id: string, signal: AbortSignal): Promise<void> {
    return this.client.delete(id, signal);
  }

  /** Deletes the NodeCheckpoints that no Checkpoint needs, but none that the node may keep the only copy of processes for. */
  async sweep(stateOf: StateOfRequest, signal: AbortSignal): Promise<void> {
    for (const object of this.objects.list()) {
      const state = stateOf(object.metadata.name, object.spec.podRef.namespace);
      if (state === "open" || (state === "unknown" && mayBeOnlyCopy(object))) continue;
      await this.client.delete(object.metadata.name, signal);
      this.options.log.info({ nodeCheckpoint: object.metadata.name }, "deleted orphaned NodeCheckpoint");
    }
  }

  /** Waits for the outcome that the agent writes. @throws EngineError; the signal's reason */
  private async follow(
    name: string,
    request: NodeRequest,
    signal: AbortSignal,
  ): Promise<NodeCheckpointStatus> {
    const { place } = this.options;
    const since = Date.now();
    for (let reported = ""; ;) {
      const seen = this.objects.get(`${place.namespace}/${name}`);
      const result = seen && completed(seen, place);
      if (result) return result;
      const news = seen && newsIn(seen.status);
      // Beyond the timeout the message has the last one as well.
      if (seen && news !== undefined && news !== reported && ageMs(seen, since) < this.timeoutMs)
        await request.progress?.((reported = news));
      if (await this.changes(name, signal)) continue;
      signal.throwIfAborted();
      const found = await this.read(name, request, since, signal);
      if (found) return found;
    }
  }

  /** Reads the object from the API server. @returns undefined while its outcome can still come */
  private async read(
    name: string,
    request: NodeRequest,
    since: number,
    signal: AbortSignal,
  ): Promise<NodeCheckpointStatus | undefined> {
    try {
      const live = await this.client.read(name, signal);
      return await this.outcome(name, live, request, { since, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof EngineError) throw error;
      this.options.log.warn({ nodeCheckpoint: name, err: error }, "cannot read NodeCheckpoint");
      return undefined;
    }
  }

  /** @returns undefined while the outcome can still come. @throws EngineError if it cannot */
  private async outcome(
    name: string,
    live: NodeCheckpointObject | undefined,
    { nodeName, late, keepMs }: NodeRequest,
    { since, signal }: { readonly since: number; readonly signal: AbortSignal },
  ): Promise<NodeCheckpointStatus | undefined> {
    const { namespace, timeoutSeconds, responseSeconds } = this.options.place;
    if (!live) throw failure(`NodeCheckpoint ${namespace}/${name} was deleted by another client`);
    const result = completed(live, this.options.place);
    if (result) return result;
    // The agent may report only since the API server is available again, as this process.
    if (Date.now() - since >= responseSeconds * 1000 && live.status.conditions === undefined) {
      const message = `the agent of node ${nodeName} did not report within ${responseSeconds} s; check its pod: kubectl get pods -n ${namespace} -o wide --field-selector spec.nodeName=${nodeName}`;
      return this.giveUp(live, { message, late, signal });
    }
    const waitedMs = ageMs(live, since);
    if (waitedMs < this.timeoutMs) return undefined;
    const { conditions = [] } = live.status;
    const last = conditions[0]?.message ?? "none";
    const working = conditions.find(({ type, status }) => type === "Progressing" && status === "True");
    // Of processes that run, only a checkpoint that was taken is worth to wait for.
    const isKept =
      keepMs === Infinity || (working?.reason === "Pushing" && waitedMs < this.timeoutMs + keepMs);
    if (late && working && isKept) {
      await late(`the agent of node ${nodeName} has not finished within ${timeoutSeconds} s: ${last}`);
      return undefined;
    }
    const message = `the agent of node ${nodeName} did not finish within ${timeoutSeconds} s; its last message: ${last}`;
    return this.giveUp(live, { message, late, signal });
  }

  /**
   * Fails. A request that would end the processes is deleted first, unless the agent has started it meanwhile.
   * @returns undefined if it has
   */
  private async giveUp(
    live: NodeCheckpointObject,
    { message, late, signal }: Pick<NodeRequest, "late"> & { message: string; signal: AbortSignal },
  ): Promise<undefined> {
    if (late && !(await this.client.withdraw(live, signal))) return undefined;
    throw failure(message, "AgentNotAnswering");
  }

  /** Waits for a change. @returns true if the object has changed; false after the interval, or at the signal */
  private async changes(name: string, signal: AbortSignal): Promise<boolean> {
    const change = new AbortController();
    this.wakes.set(name, () => change.abort("changed"));
    await sleep(READ_INTERVAL_MS, AbortSignal.any([signal, change.signal]));
    this.wakes.delete(name);
    return change.signal.aborted;
  }
}

/** Maps reasons of a NodeCheckpoint to reasons of a Checkpoint. */
const REASONS: Readonly<Partial<Record<NodeCheckpointReason, CheckpointEndReason>>> = {
  QuotaExceeded: "QuotaExceeded",
  RegistryFailed: "RegistryFailed",
  CheckpointNotPossible: "CheckpointNotPossible",
  ContainerNotFound: "ContainerNotFound",
  SourcePodReplaced: "SourcePodReplaced",
};

/** Returns whether the processes may have ended, and their checkpoint may not be pushed. */
function mayBeOnlyCopy({ spec, status }: NodeCheckpointObject): boolean {
  const isFinished = status.conditions?.some(
    (one) => ["Ready", "Failed"].includes(one.type) && one.status === "True",
  );
  return spec.options?.leaveRunning === false && !isFinished;
}

/**
 * Returns the status of a completed request; undefined while there is no outcome.
 * @throws EngineError if the agent failed, or reports an image that is no checkpoint
 */
function completed(
  { spec, status }: Pick<NodeCheckpointObject, "spec" | "status">,
  place: Repositories,
): NodeCheckpointStatus | undefined {
  const holds = (type: string) =>
    status.conditions?.find((condition) => condition.type === type && condition.status === "True");
  const failed = holds("Failed");
  if (failed) throw failure(failed.message, REASONS[failed.reason]);
  if (!holds("Ready")) return undefined;
  const repository = repositoryOf(place, spec.podRef.namespace);
  if (!isArtifactIn([repository], status.image)) {
    const image = status.image ?? "no image";
    throw failure(`the agent reported ${image}; allowed: ${repository}@sha256:<digest>`);
  }
  return status;
}

/** Returns how long the request exists: an earlier process may have created it before this one began to wait. */
function ageMs({ metadata }: NodeCheckpointObject, since: number): number {
  const created = Date.parse(metadata.creationTimestamp);
  return Date.now() - (created < since ? created : since);
}

/** Returns why a request is not finished: it waits for others, or its push failed. Undefined if it proceeds. */
function newsIn({ conditions = [], pushFailures = 0 }: NodeCheckpointStatus): string | undefined {
  const [condition] = conditions;
  if (condition === undefined) return undefined;
  const hasNews = condition.reason === "Pending" || (condition.reason === "Pushing" && pushFailures > 0);
  return hasNews ? condition.message : undefined;
}

function failure(message: string, reason?: CheckpointEndReason): EngineError {
  return new EngineError(message, { outcome: "failed", retryable: false, ...(reason && { reason }) });
}
