import type { NodeCheckpointReason, NodeCheckpointSpec, NodeCheckpointStatus } from "../../api";
import { repositoryOf } from "../../config/programs";
import { exponential, sleep } from "../../kube";
import { CheckpointFailure } from "./failure";
import {
  NODE_CHECKPOINT,
  type CheckpointContext,
  type CheckpointEntry,
  type NodeCheckpointObject,
} from "./node-checkpoints";
import type { Job } from "./queue";
import { isFinished, StatusWriter } from "./status";

export interface PushOptions<T> {
  readonly spec: NodeCheckpointSpec;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly push: (signal: AbortSignal) => Promise<T>;
  /** Returns what to throw instead of a retry. */
  readonly fatal: (error: unknown) => Promise<Error | undefined>;
  /** Returns the delay that the registry requests after an error, ms. */
  readonly retryAfterMs: (error: unknown) => number;
  /** Why the push continues beyond the deadline, and the remedy. */
  readonly beyondDeadline: string;
  /** When the push fails. Undefined: never. */
  readonly untilMs?: number;
}

/**
 * Runs one NodeCheckpoint to its outcome, starting at the phase in the journal. Writes each step to the journal before it takes
 * the step, so that the next process can continue after a crash at any point.
 */
export abstract class CheckpointJob implements Job {
  private readonly beyond = new AbortController();
  /** Aborts when a push continues beyond its deadline. */
  readonly overdue: AbortSignal = this.beyond.signal;
  protected readonly deleted = new AbortController();
  /** Aborts with a CheckpointFailure when the push is given up. */
  protected readonly givenUp = new AbortController();
  protected readonly signal: AbortSignal;
  /** Attempts to push that failed. */
  private pushFailures = 0;
  private readonly status: StatusWriter<NodeCheckpointReason, NodeCheckpointSpec, NodeCheckpointStatus>;

  constructor(
    private readonly checkpoints: CheckpointContext,
    protected readonly id: { readonly uid: string; readonly name: string },
    /** Aborted when the process stops. */
    protected readonly stop: AbortSignal,
  ) {
    this.signal = AbortSignal.any([stop, this.deleted.signal]);
    this.status = new StatusWriter(NODE_CHECKPOINT, checkpoints, id, stop);
  }

  /** Checkpoints and pushes. @returns the status fields of the result */
  protected abstract checkpointAndPush(
    object: NodeCheckpointObject,
    found: CheckpointEntry | undefined,
  ): Promise<NodeCheckpointStatus>;

  /**
   * Removes the checkpoint from the node, whatever the job did before.
   * @param entry what the journal has; it is finished with a digest if the checkpoint was pushed
   */
  protected abstract remove(entry: CheckpointEntry): Promise<void>;

  /** Cancels the job because the object was deleted. */
  cancel(): void {
    this.deleted.abort(new Error("the NodeCheckpoint was deleted"));
  }

  /** Runs the job. A retry after an error is safe. @throws the signal's reason; errors of the file system */
  async run(): Promise<void> {
    const object = await this.status.read();
    if (object === undefined || isFinished(object.status)) return this.discard();
    const entry = this.checkpoints.journal.get(this.id.uid);
    if (entry?.phase === "finished") return this.cleanUp(entry);
    try {
      const result = await this.checkpointAndPush(object, entry);
      await this.finish("CheckpointCompleted", "checkpointed and pushed", result);
    } catch (error) {
      this.stop.throwIfAborted();
      if (this.deleted.signal.aborted) return this.discard();
      if (!(error instanceof CheckpointFailure)) throw error;
      await this.finish(error.reason, error.message);
    }
  }

  /** Returns when the job started. A previous process may have crashed before it wrote an entry: its start time counts. */
  protected startOf({ status }: NodeCheckpointObject, found: CheckpointEntry | undefined): number {
    return found?.startMs ?? (Date.parse(status.startTime ?? "") || Date.now());
  }

  /** @throws CheckpointFailure if the image is not in the configured repository */
  protected checkRepository({ image, podRef }: NodeCheckpointSpec): void {
    const repository = repositoryOf(this.checkpoints.settings, podRef.namespace);
    if (image.startsWith(`${repository}:`)) return;
    const message = `image ${image} is not in the configured repository ${repository}`;
    throw new CheckpointFailure("RegistryFailed", message);
  }

  /** Pushes, with retries until it succeeds, also beyond the deadline. @throws CheckpointFailure; what `fatal` returns; the signal's reason */
  protected async pushed<T>(options: PushOptions<T>): Promise<T> {
    const { spec, startMs, deadlineMs } = options;
    // Not awaited: it rejects only when the process stops, and then the push is aborted too.
    this.report(startMs, "Pushing", `to ${spec.image}`).catch(() => undefined);
    const deadline = abortAt(deadlineMs);
    deadline.signal.addEventListener("abort", () => this.beyond.abort(), { once: true });
    try {
      return await this.pushedWithRetries(options);
    } finally {
      deadline.end();
    }
  }

  private async pushedWithRetries<T>(options: PushOptions<T>): Promise<T> {
    const { spec, startMs, deadlineMs, push, fatal, retryAfterMs, beyondDeadline, untilMs } = options;
    const { times, log } = this.checkpoints;
    const signal = AbortSignal.any([this.signal, this.givenUp.signal]);
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      const limit = abortAt(untilMs);
      try {
        return await push(AbortSignal.any([signal, limit.signal]));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CheckpointFailure) throw error;
        this.pushFailures++;
        const thrown = await fatal(error);
        if (thrown !== undefined) throw thrown;
        const text = error instanceof Error ? error.message : String(error);
        const delay = Math.max(exponential(...times.backoffMs, attempt), retryAfterMs(error));
        const nextMs = Date.now() + delay;
        if (untilMs !== undefined && nextMs >= untilMs) {
          const seconds = Math.round((untilMs - startMs) / 1000);
          throw new CheckpointFailure("RegistryFailed", `not pushed within ${seconds} s: ${text}`);
        }
        const isLate = nextMs >= deadlineMs;
        log.warn({ ...this.id, err: error, attempt, delay }, "push failed; retrying");
        const problem = isLate
          ? `not pushed within ${spec.timeoutSeconds} s: ${text}; ${beyondDeadline}`
          : `retrying after: ${text}`;
        await this.report(startMs, "Pushing", `to ${spec.image}, ${problem}`);
        await sleep(delay, signal);
      } finally {
        limit.end();
      }
    }
  }

  /** Status field with the failed attempts to push; a write without it would remove it. */
  private get failures(): Pick<NodeCheckpointStatus, "pushFailures"> {
    return this.pushFailures === 0 ? {} : { pushFailures: this.pushFailures };
  }

  /** Writes a status of work in progress. */
  protected async report(startMs: number, reason: NodeCheckpointReason, message: string): Promise<void> {
    const status = { startTime: timeOf(startMs), ...this.failures };
    if (!(await this.status.put(this.status.make(status, { holds: "Progressing", reason, message }))))
      this.cancel();
  }

  /** Writes the outcome to the journal, then cleans up. */
  private async finish(
    reason: NodeCheckpointReason,
    message: string,
    result?: NodeCheckpointStatus,
  ): Promise<void> {
    const { journal, log } = this.checkpoints;
    const entry = journal.get(this.id.uid);
    const times = { startTime: timeOf(entry?.startMs ?? Date.now()), completionTime: timeOf(Date.now()) };
    const holds = result ? "Ready" : "Failed";
    const status = this.status.make({ ...times, ...this.failures, ...result }, { holds, reason, message });
    log.info({ ...this.id, reason, message, image: result?.image }, "NodeCheckpoint finished");
    // Without an entry no request was sent: only the status must be written.
    if (entry === undefined) return void (await this.status.put(status));
    const finished: CheckpointEntry = { ...entry, phase: "finished", status };
    await journal.put(finished);
    await this.cleanUp(finished);
  }

  /** Writes the final status, then removes the checkpoint from the node, which can take long, and the entry. */
  private async cleanUp(entry: CheckpointEntry): Promise<void> {
    await this.status.put(entry.status ?? {});
    await this.remove(entry);
    await this.checkpoints.journal.remove(this.id.uid);
  }

  /** Removes checkpoint and entry of an object that was deleted or is finished. */
  private async discard(): Promise<void> {
    const { journal } = this.checkpoints;
    const entry = journal.get(this.id.uid);
    if (entry === undefined) return;
    await this.remove(entry);
    await journal.remove(this.id.uid);
  }
}

/** Returns a signal that aborts at a time, or soon if it has passed. Call `end` afterwards. */
export function abortAt(ms: number | undefined): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  if (ms === undefined) return { signal: controller.signal, end: () => undefined };
  const abort = () => controller.abort(new DOMException("the timeout has passed", "TimeoutError"));
  const timer = setTimeout(abort, Math.max(1, ms - Date.now()));
  return { signal: controller.signal, end: () => clearTimeout(timer) };
}

/** Returns a time as RFC 3339. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
