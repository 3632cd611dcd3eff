import {
  conditionsOf,
  NODE_CHECKPOINT as NAMES,
  type NodeCheckpointCondition,
  type NodeCheckpointReason,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../api";
import {
  exponential,
  isOutdated,
  projectCustomResource,
  sleep,
  type CustomResource,
  type Kind,
} from "../../kube";
import { notRestored, type PushedImage } from "../archive";
import type { JobContext } from "./context";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT: Kind<NodeCheckpointObject> = { ...NAMES, project: projectCustomResource };

export function isFinished({ conditions = [] }: NodeCheckpointStatus): boolean {
  return conditions.some(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

export type Outcome = "waiting" | "working" | "completed" | "failed";

const TRUE_CONDITION: Readonly<Record<Outcome, NodeCheckpointCondition["type"] | undefined>> = {
  waiting: undefined,
  working: "Progressing",
  completed: "Ready",
  failed: "Failed",
};

/** Returns the status with the conditions of an outcome. A condition that does not change keeps its time. */
export function withConditions(
  { metadata, status: before }: NodeCheckpointObject,
  status: NodeCheckpointStatus,
  outcome: Outcome,
  reason: NodeCheckpointReason,
  message: string,
): NodeCheckpointStatus {
  const observedGeneration = metadata.generation;
  const conditions = conditionsOf({
    holds: TRUE_CONDITION[outcome],
    reason,
    message,
    observedGeneration,
    before: before.conditions ?? [],
    now: new Date(Date.now()).toISOString(),
  });
  return { ...status, observedGeneration, conditions };
}

/** Returns the status fields of a pushed image, within the limits of the kind's schema. */
export function resultOf({ image, digest, size, architecture, metadata }: PushedImage): NodeCheckpointStatus {
  const { baseImage, frozenMs, checkpointedAt } = metadata;
  return {
    image,
    digest,
    sizeBytes: size,
    architecture,
    baseImage: baseImage.digest === undefined ? baseImage.name : baseImage.reference,
    checkpointedTime: checkpointedAt.toISOString(),
    ...(frozenMs === undefined ? {} : { frozenMilliseconds: Math.round(frozenMs) }),
    notRestored: notRestored(metadata)
      .slice(0, 256)
      .map(({ code, message }) => ({ code, message: message.slice(0, 4096) })),
  };
}

/** Writes the status of one NodeCheckpoint: one write after the other, each retried until it is done. */
export class StatusWriter {
  /** Settles with the last write. Never rejects. */
  private last: Promise<unknown> = Promise.resolve();
  /** As last read or written; undefined once it is deleted. */
  private object?: NodeCheckpointObject;

  constructor(
    private readonly context: Pick<JobContext, "client" | "settings" | "times" | "log">,
    private readonly id: { readonly name: string; readonly uid: string },
    /** Aborted when the process stops. */
    private readonly stop: AbortSignal,
  ) {}

  /** Reads the object; undefined if it was deleted. @throws the signal's reason */
  async read(): Promise<NodeCheckpointObject | undefined> {
    this.object = await this.retryUntilDone(() => this.readLive());
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
    return this.retryUntilDone(async () => {
      while (this.object !== undefined) {
        try {
          const { metadata } = this.object;
          this.object = await this.context.client.applyStatus(NODE_CHECKPOINT, metadata, status);
          return true;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        this.object = await this.readLive();
      }
      return false;
    });
  }

  /** Reads the object; undefined if it was deleted, or replaced by another one of the name. */
  private async readLive(): Promise<NodeCheckpointObject | undefined> {
    const { client, settings } = this.context;
    const { name, uid } = this.id;
    const live = await client.get(NODE_CHECKPOINT, { namespace: settings.namespace, name });
    return live?.metadata.uid === uid ? live : undefined;
  }

  /** Retries until it is done, however long the API server is unavailable. */
  private async retryUntilDone<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      this.stop.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.context.log.warn(
          { nodeCheckpoint: this.id.name, err: error, attempt },
          "request to the API server failed; retrying",
        );
      }
      await sleep(exponential(...this.context.times.backoffMs, attempt), this.stop);
    }
  }
}
