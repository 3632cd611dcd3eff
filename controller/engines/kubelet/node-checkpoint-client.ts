import { ApiError, exponential, hasStatus, NotLeaderError, sleep, type Client } from "../../../kube";
import { EngineError } from "../engine";
import { NODE_CHECKPOINT, type nodeCheckpointFor, type NodeCheckpointObject } from "./object";

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

  /** Deletes one; returns as well if there is none. @throws errors of the request */
  delete(name: string, signal: AbortSignal): Promise<void> {
    return this.client.delete(NODE_CHECKPOINT, { namespace: this.namespace, name }, { signal });
  }
}
