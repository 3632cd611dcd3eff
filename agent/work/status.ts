import { conditionsOf, type CheckpointConditionType, type Condition } from "../../api";
import {
  exponential,
  isOutdated,
  sleep,
  type Client,
  type CustomResource,
  type Kind,
  type Logger,
} from "../../kube";

/** The status fields that all kinds of requests to agents have. */
export interface WorkStatus<Reason extends string = string> {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition<CheckpointConditionType, Reason>[];
}

/** Returns whether the outcome of a request is in its status. */
export function isFinished({ conditions = [] }: WorkStatus): boolean {
  return conditions.some(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

/** What a status says. */
export interface Report<Reason extends string> {
  /** The condition that is True; undefined: none, the request waits. */
  readonly holds: CheckpointConditionType | undefined;
  readonly reason: Reason;
  readonly message: string;
}

/** Returns the status with the conditions of a report. A condition that does not change keeps its time. */
export function withConditions<Reason extends string, Status extends WorkStatus<Reason>>(
  { metadata, status: before }: CustomResource<unknown, Status>,
  status: Status,
  report: Report<Reason>,
): Status {
  const observedGeneration = metadata.generation;
  const conditions = conditionsOf({
    ...report,
    observedGeneration,
    before: before.conditions ?? [],
    now: new Date(Date.now()).toISOString(),
  });
  return { ...status, observedGeneration, conditions };
}

/** Dependencies of all jobs. */
export interface WorkContext {
  readonly settings: { readonly namespace: string };
  readonly client: Client;
  /** First and longest delay between retries, in milliseconds. */
  readonly times: { readonly backoffMs: readonly [number, number] };
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}

/** Writes the status of one object: one write after the other, each retried until it is done. */
export class StatusWriter<Reason extends string, Spec, Status extends WorkStatus<Reason>> {
  /** Settles with the last write. Never rejects. */
  private last: Promise<unknown> = Promise.resolve();
  /** As last read or written; undefined once it is deleted. */
  private object?: CustomResource<Spec, Status>;

  constructor(
    private readonly kind: Kind<CustomResource<Spec, Status>>,
    private readonly context: WorkContext,
    private readonly id: { readonly name: string; readonly uid: string },
    /** Aborted when the process stops. */
    private readonly stop: AbortSignal,
  ) {}

  /** Reads the object; undefined if it was deleted. @throws the signal's reason */
  async read(): Promise<CustomResource<Spec, Status> | undefined> {
    this.object = await this.retryUntilDone(() => this.readLive());
    return this.object;
  }

  /** Returns whether there is an object of the name, also if it replaced the one of the request. @throws the signal's reason */
  async isNamed(): Promise<boolean> {
    return (await this.retryUntilDone(() => this.readNamed())) !== undefined;
  }

  /** Returns the status without writing it. */
  make(status: Status, report: Report<Reason>): Status {
    return this.object ? withConditions<Reason, Status>(this.object, status, report) : status;
  }

  /** @returns false if the object was deleted. @throws the signal's reason */
  put(status: Status): Promise<boolean> {
    const written = this.last.then(() => this.write(status));
    this.last = written.catch(() => undefined);
    return written;
  }

  private write(status: Status): Promise<boolean> {
    return this.retryUntilDone(async () => {
      while (this.object !== undefined) {
        try {
          const { metadata } = this.object;
          this.object = await this.context.client.applyStatus(this.kind, metadata, status);
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
  private async readLive(): Promise<CustomResource<Spec, Status> | undefined> {
    const live = await this.readNamed();
    return live?.metadata.uid === this.id.uid ? live : undefined;
  }

  private readNamed(): Promise<CustomResource<Spec, Status> | undefined> {
    const { client, settings } = this.context;
    return client.get(this.kind, { namespace: settings.namespace, name: this.id.name });
  }

  /** Retries until it is done, however long the API server is unavailable. */
  private async retryUntilDone<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      this.stop.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.context.log.warn(
          { kind: this.kind.kind, name: this.id.name, err: error, attempt },
          "request to the API server failed; retrying",
        );
      }
      await sleep(exponential(...this.context.times.backoffMs, attempt), this.stop);
    }
  }
}
