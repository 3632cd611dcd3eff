import { ApiError, type KubernetesClient } from "../../../kube/client";
import { NODE_CHECKPOINT } from "../../../api";
import { NotLeaderError, pathOf, type Json } from "../../../kube/runtime";
import { exponential, sleep } from "../../../kube/runtime/backoff";
import { EngineError } from "../engine";
import { projectNodeCheckpoint, type nodeCheckpointFor, type NodeCheckpointObject } from "./object";

/** How long an API server that is away is waited for when a NodeCheckpoint is to be made. */
const MAKE_MS = 60_000;
const BACKOFF_MS = [250, 5000] as const;

/** NodeCheckpoints on the API server: made, read and deleted, each so that a second time is none. */
export class Mailbox {
  constructor(
    /** Writes only while this process leads. */
    private readonly client: Pick<KubernetesClient, "send">,
    private readonly namespace: string,
  ) {}

  /** Makes one, unless it is there. @throws EngineError; the signal's reason */
  async make(content: ReturnType<typeof nodeCheckpointFor>, signal: AbortSignal): Promise<void> {
    const body = { type: "application/json", content };
    for (const since = Date.now(), tries = { count: 0 }; ; tries.count++) {
      signal.throwIfAborted();
      try {
        await this.client.send("POST", pathOf(NODE_CHECKPOINT, this.namespace), body, { signal });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof NotLeaderError) throw error;
        // It is there: its name says that it is the same question.
        if (error instanceof ApiError && error.status === 409) return;
        const message = error instanceof Error ? error.message : String(error);
        if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
          const retryable = ![400, 422].includes(error.status);
          throw new EngineError(`no NodeCheckpoint can be made in ${this.namespace}: ${message}`, {
            outcome: "refused",
            retryable,
            cause: error,
          });
        }
        if (Date.now() - since >= MAKE_MS) {
          const said = `no NodeCheckpoint could be made in ${this.namespace}: ${message}`;
          throw new EngineError(said, { outcome: "refused", retryable: true, cause: error });
        }
      }
      await sleep(exponential(...BACKOFF_MS, tries.count), signal);
    }
  }

  /** As the API server has it; undefined if there is none. @throws errors of the request */
  async read(name: string, signal: AbortSignal): Promise<NodeCheckpointObject | undefined> {
    try {
      const raw = await this.client.send("GET", pathOf(NODE_CHECKPOINT, this.namespace, name), undefined, {
        signal,
      });
      return projectNodeCheckpoint(raw as Json);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Settles also if there is none. @throws errors of the request */
  async delete(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.client.send("DELETE", pathOf(NODE_CHECKPOINT, this.namespace, name), undefined, { signal });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
}
