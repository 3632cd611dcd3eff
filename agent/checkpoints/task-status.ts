import { ApiError } from "../../kube/client";
import type { NodeCheckpointReason, NodeCheckpointStatus } from "../../api";
import { exponential, sleep } from "../../kube/runtime/backoff";
import type { NodeCheckpointObject } from "./object";
import { putStatus, readLive, withConditions, type Outcome } from "./status";
import type { Tools } from "./tools";

/** The status of one NodeCheckpoint: written until it is, by what the API server has, one after the other. */
export class TaskStatus {
  /** Settles with the last write. Never rejects. */
  private last: Promise<unknown> = Promise.resolve();
  /** As last read or written; undefined once it is gone. */
  private object?: NodeCheckpointObject;

  constructor(
    private readonly tools: Pick<Tools, "client" | "settings" | "times" | "log">,
    private readonly which: { readonly name: string; readonly uid: string },
    /** The process stops. */
    private readonly stop: AbortSignal,
  ) {}

  /** The object as the API server has it; undefined if it is gone. @throws the signal's reason */
  async read(): Promise<NodeCheckpointObject | undefined> {
    this.object = await this.insist(() => this.live());
    return this.object;
  }

  /** What a status would be. */
  make(status: NodeCheckpointStatus, outcome: Outcome, reason: NodeCheckpointReason, message: string) {
    return this.object ? withConditions(this.object, status, outcome, reason, message) : status;
  }

  /** @returns false if the object is gone. @throws the signal's reason */
  put(status: NodeCheckpointStatus): Promise<boolean> {
    const written = this.last.then(() => this.write(status));
    this.last = written.catch(() => undefined);
    return written;
  }

  private write(status: NodeCheckpointStatus): Promise<boolean> {
    return this.insist(async () => {
      while (this.object !== undefined) {
        try {
          this.object = await putStatus(this.tools.client, this.object, status);
          return true;
        } catch (error) {
          if (!(error instanceof ApiError) || (error.status !== 409 && error.status !== 404)) throw error;
        }
        this.object = await this.live();
      }
      return false;
    });
  }

  private live(): Promise<NodeCheckpointObject | undefined> {
    return readLive(this.tools.client, this.tools.settings.namespace, this.which);
  }

  /** Tries until it is done, however long the API server is away. */
  private async insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      this.stop.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.tools.log.warn(
          { nodeCheckpoint: this.which.name, err: error, attempt },
          "API server: not done yet",
        );
      }
      await sleep(exponential(...this.tools.times.backoffMs, attempt), this.stop);
    }
  }
}
