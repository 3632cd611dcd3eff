import type { NodeCheckpointReason, NodeCheckpointStatus } from "../../api";
import { exponential, isOutdated, sleep } from "../../kube";
import { NODE_CHECKPOINT, type NodeCheckpointObject } from "./object";
import { withConditions, type Outcome } from "./status";
import type { Tools } from "./tools";

/** Writes the status of one NodeCheckpoint: one write after the other, each retried until it is done. */
export class TaskStatus {
  /** Settles with the last write. Never rejects. */
  private last: Promise<unknown> = Promise.resolve();
  /** As last read or written; undefined once it is deleted. */
  private object?: NodeCheckpointObject;

  constructor(
    private readonly tools: Pick<Tools, "client" | "settings" | "times" | "log">,
    private readonly which: { readonly name: string; readonly uid: string },
    /** The process stops. */
    private readonly stop: AbortSignal,
  ) {}

  /** Reads the object; undefined if it was deleted. @throws the signal's reason */
  async read(): Promise<NodeCheckpointObject | undefined> {
    this.object = await this.untilDone(() => this.live());
    return this.object;
  }

  /** Returns the status without writing it. */
  make(status: NodeCheckpointStatus, outcome: Outcome, reason: NodeCheckpointReason, message: string) {
    return this.object ? withConditions(this.object, status, outcome, reason, message) : status;
  }

  /** @returns false if the object was deleted. @throws the signal's reason */
  put(status: NodeCheckpointStatus): Promise<boolean> {
    const written = this.last.then(() => this.write(status));
    this.last = written.catch(() => undefined);
    return written;
  }

  private write(status: NodeCheckpointStatus): Promise<boolean> {
    return this.untilDone(async () => {
      while (this.object !== undefined) {
        try {
          const { metadata } = this.object;
          this.object = await this.tools.client.applyStatus(NODE_CHECKPOINT, metadata, status);
          return true;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        this.object = await this.live();
      }
      return false;
    });
  }

  /** Reads the object; undefined if it was deleted, or replaced by another one of the name. */
  private async live(): Promise<NodeCheckpointObject | undefined> {
    const { client, settings } = this.tools;
    const { name, uid } = this.which;
    const live = await client.get(NODE_CHECKPOINT, { namespace: settings.namespace, name });
    return live?.metadata.uid === uid ? live : undefined;
  }

  /** Retries until it is done, however long the API server is unavailable. */
  private async untilDone<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      this.stop.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.tools.log.warn(
          { nodeCheckpoint: this.which.name, err: error, attempt },
          "request to the API server not done yet",
        );
      }
      await sleep(exponential(...this.tools.times.backoffMs, attempt), this.stop);
    }
  }
}
