import {
  NODE_CHECKPOINT as NODE_CHECKPOINT_KIND,
  NODE_LABEL,
  nodeLabelValue,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../../api";
import { repositoryOf, type Repositories } from "../../../config/programs";
import {
  ApiError,
  NotLeaderError,
  exponential,
  hasStatus,
  kindOf,
  projectCustomResource,
  sleep,
  type Client,
  type CustomResource,
} from "../../../kube";
import { EngineError } from "../engine";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT = kindOf(
  NODE_CHECKPOINT_KIND,
  projectCustomResource<NodeCheckpointSpec, NodeCheckpointStatus>,
);

/** Where agents take and store checkpoints. */
export interface Place extends Repositories {
  /** Namespace of the agents. */
  readonly namespace: string;
  readonly timeoutSeconds: number;
  /** Time limit of an agent's first status. */
  readonly responseSeconds: number;
}

/** A request to the agent of a node. */
export interface NodeRequest {
  /** UID of the Checkpoint. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUID: string;
  readonly nodeName: string;
  /** What is checkpointed, and how. */
  readonly what: Pick<NodeCheckpointSpec, "containerNames" | "options" | "baseImages">;
  /** Called with the state beyond the timeout while the agent works on it. Undefined: it fails at the timeout. */
  readonly late?: (message: string) => Promise<void>;
  /** How long the agent works on it beyond the timeout, ms. */
  readonly keepMs: number;
  /** Called with what the agent reports about a request that waits, or whose push failed. */
  readonly progress?: (message: string) => Promise<void>;
}

/**
 * Returns the request to the node's agent. The same request gives the same object.
 * @param cluster UID of the cluster, if the artifact names it
 */
export function nodeCheckpointFor(
  { id, namespace, pod, podUID, nodeName, what }: NodeRequest,
  place: Place,
  cluster?: string,
) {
  // Also the tag of the image.
  const name = id;
  const spec: NodeCheckpointSpec = {
    nodeName,
    podRef: { namespace, name: pod, uid: podUID },
    ...what,
    image: `${repositoryOf(place, namespace)}:${name}`,
    ...(cluster === undefined ? {} : { cluster }),
    timeoutSeconds: place.timeoutSeconds,
  };
  const labels = { [NODE_LABEL]: nodeLabelValue(nodeName) };
  return { metadata: { name, namespace: place.namespace, labels }, spec };
}

/** How long creating a NodeCheckpoint is retried while the API server is unavailable. */
const CREATE_MS = 60_000;
const BACKOFF_MS = [250, 5000] as const;

/** Creates, reads and deletes NodeCheckpoint objects. Each operation is idempotent. */
export class NodeCheckpointClient {
  constructor(
    /** Writes only while this process leads. */
    private readonly client: Client,
    private readonly namespace: string,
  ) {}

  /** Creates one, unless it exists. @throws EngineError; the signal's reason */
  async create(object: ReturnType<typeof nodeCheckpointFor>, signal: AbortSignal): Promise<void> {
    for (const since = Date.now(), tries = { count: 0 }; ; tries.count++) {
      signal.throwIfAborted();
      try {
        await this.client.create(NODE_CHECKPOINT, object, { signal });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof NotLeaderError) throw error;
        // Its name is derived from the request, so an existing one is the same request.
        if (hasStatus(error, 409)) return;
        const message = error instanceof Error ? error.message : String(error);
        if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
          const retryable = ![400, 422].includes(error.status);
          throw new EngineError(`cannot create a NodeCheckpoint in ${this.namespace}: ${message}`, {
            outcome: "refused",
            retryable,
            cause: error,
          });
        }
        if (Date.now() - since >= CREATE_MS) {
          const text = `cannot create a NodeCheckpoint in ${this.namespace}: ${message}`;
          throw new EngineError(text, { outcome: "refused", retryable: true, cause: error });
        }
      }
      await sleep(exponential(...BACKOFF_MS, tries.count), signal);
    }
  }

  /** Reads one from the API server; undefined if there is none. @throws errors of the request */
  read(name: string, signal: AbortSignal): Promise<NodeCheckpointObject | undefined> {
    return this.client.get(NODE_CHECKPOINT, { namespace: this.namespace, name }, { signal });
  }

  /** Deletes one, unless it was changed since it was read. @returns false if it was. @throws errors of the request */
  async withdraw({ metadata }: NodeCheckpointObject, signal: AbortSignal): Promise<boolean> {
    const { resourceVersion } = metadata;
    try {
      await this.client.delete(NODE_CHECKPOINT, metadata, { signal, resourceVersion });
      return true;
    } catch (error) {
      if (!hasStatus(error, 409)) throw error;
      return false;
    }
  }

  /** Deletes one, if it exists. @throws errors of the request */
  delete(name: string, signal: AbortSignal): Promise<void> {
    return this.client.delete(NODE_CHECKPOINT, { namespace: this.namespace, name }, { signal });
  }
}
