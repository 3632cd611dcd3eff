import type { NodeRestoreReason, NodeRestoreSpec, NodeRestoreStatus } from "../../../api";
import { NodeServiceError, type Outcome } from "../../../clients/node-service";
import { repositoriesOf } from "../../../config/programs";
import { InvalidInputError } from "../../../config/schema";
import { exponential, sleep } from "../../../kube";
import { ArtifactError } from "../../artifact";
import { isFinished, StatusWriter, timeOf, type Job } from "../../work";
import type { CriuContext } from "./context";
import {
  endOf,
  loadingOf,
  NODE_RESTORE,
  reportOf,
  type Ended,
  type NodeRestoreObject,
} from "./node-restores";
import { loadArriving } from "./load-arriving";
import { isTemporary, MAX_MESSAGE, retried, textOf } from "./service";

export interface RestoreJobOptions {
  readonly id: { readonly uid: string; readonly name: string };
  /** Called when nothing of a deleted NodeRestore is left on the node. */
  readonly discarded: () => void;
  /** Aborted when the process stops. */
  readonly stop: AbortSignal;
}

/** Errors of the service that a retry does not fix. Of others, such as a full disk or a broken stream, it can. */
const FATAL = ["InvalidRequest", "UnknownMethod", "PartNotFound"];

/**
 * Runs one NodeRestore to its outcome: pulls the checkpoint, publishes the plan, and reports what the runtime did with it. When
 * the NodeRestore is deleted, it deletes the plan.
 */
export class RestoreJob implements Job {
  private readonly deletion = new AbortController();
  private readonly signal: AbortSignal;
  private readonly status: StatusWriter<NodeRestoreReason, NodeRestoreSpec, NodeRestoreStatus>;
  private readonly podUID: string;
  private startMs = Date.now();

  constructor(
    private readonly context: CriuContext,
    private readonly options: RestoreJobOptions,
  ) {
    const { id, stop } = options;
    this.podUID = id.name;
    this.signal = AbortSignal.any([stop, this.deletion.signal]);
    this.status = new StatusWriter(NODE_RESTORE, context, id, stop);
  }

  cancel(): void {
    this.deletion.abort(new Error("the NodeRestore was deleted"));
  }

  /** @throws the signal's reason */
  async run(): Promise<void> {
    const object = await this.status.read();
    if (object === undefined) return this.discard();
    if (isFinished(object.status)) return;
    this.startMs = Date.parse(object.status.startTime ?? "") || Date.now();
    try {
      const ended = (await this.prepare(object)) ?? (await this.follow(object.spec));
      await this.finish(ended);
    } catch (error) {
      this.options.stop.throwIfAborted();
      if (this.deletion.signal.aborted) return this.discard();
      throw error;
    }
  }

  /** Publishes the plan. @returns how the restore ended, if it ended without a plan */
  private async prepare({ spec, metadata }: NodeRestoreObject): Promise<Ended | undefined> {
    const repositories = repositoriesOf(this.context.settings, spec.podRef.namespace);
    if (!repositories.some((repository) => spec.image.startsWith(`${repository}@`)))
      return this.decline(
        spec,
        "RegistryFailed",
        `image ${spec.image} is not in the configured repository ${repositories.join(" or ")}`,
      );
    const deadlineMs = Date.parse(metadata.creationTimestamp) + spec.timeoutSeconds * 1000;
    for (let attempt = 0, last = ""; ; attempt++) {
      const outcome = await this.outcome();
      if (outcome.checkpoint === spec.checkpointUID) return undefined;
      const ended = endOf(outcome);
      if (ended !== undefined)
        return last === "" ? ended : { ...ended, message: `${ended.message}; ${last}` };
      if (Date.now() >= deadlineMs)
        return this.decline(spec, "DeadlineExceeded", last || "the agent started too late");
      try {
        await this.publish(spec, deadlineMs);
        return undefined;
      } catch (error) {
        this.signal.throwIfAborted();
        last = textOf(error);
        if (error instanceof ArtifactError && error.isMissing)
          return this.decline(spec, "CheckpointMissing", last);
        if (isFatal(error)) return this.decline(spec, "CheckpointInvalid", last);
        this.context.log.warn({ ...this.options.id, err: error, attempt }, "pull failed; retrying");
      }
      this.announce("Fetching", `from ${spec.image}, retrying after: ${last}`);
      await sleep(exponential(...this.context.times.backoffMs, attempt), this.signal);
    }
  }

  private async publish(spec: NodeRestoreSpec, deadlineMs: number): Promise<void> {
    const { settings, node, artifacts, pulls } = this.context;
    const { image, checkpointUID, fallback, restart, lazy } = spec;
    if (pulls.isFull) this.announce("Pending", `the node pulls ${pulls.limit} other checkpoints`);
    await pulls.take(this.signal);
    try {
      this.announce("Fetching", `from ${image}`);
      const limits = { maxBytes: settings.quotaBytes, reserveBytes: settings.reserveBytes };
      const { uid } = await artifacts.pull({ image, podUID: this.podUID, ...limits, lazy }, this.signal);
      if (uid !== checkpointUID)
        throw new ArtifactError(image, `is of Checkpoint ${uid}, not ${checkpointUID}`);
    } finally {
      pulls.release();
    }
    await node.lay(
      {
        podUID: this.podUID,
        checkpoint: checkpointUID,
        deadline: new Date(deadlineMs),
        fallback: fallbackOf(fallback),
        restart,
        lazy,
      },
      this.signal,
    );
  }

  /** Decides that the pod gets no plan: its containers do not wait for one. @returns how the restore ended */
  private async decline({ fallback }: NodeRestoreSpec, cause: string, text: string): Promise<Ended> {
    const { node, times, log } = this.context;
    const { podUID } = this;
    const message = `there is no plan: ${text}`;
    const request = {
      podUID,
      reason: cause,
      message: message.slice(0, MAX_MESSAGE),
      fallback: fallbackOf(fallback),
    };
    try {
      await retried(
        () => node.decline(request, this.signal),
        times.backoffMs,
        this.signal,
        (error, attempt) => {
          if (isTemporary(error))
            log.warn({ ...this.options.id, err: error, attempt }, "cannot decline a restore; retrying");
          return isTemporary(error);
        },
      );
    } catch (error) {
      this.signal.throwIfAborted();
      // The pod has another plan, or the service has no such method: the runtime decides when its wait is over.
      log.warn({ ...this.options.id, err: error }, "cannot decline a restore");
    }
    return { reason: fallback === "stop" ? "RestoreFailed" : "StartedFresh", cause, message };
  }

  /** Waits until the runtime has decided about all containers, and loads their memory meanwhile. */
  private async follow(spec: NodeRestoreSpec): Promise<Ended> {
    this.announce("PlanReady", "the containers are restored when they are created");
    const over = new AbortController();
    // It ends by itself, by the signal, or if the service rejects that the memory is lost: the runtime's time limit then ends it.
    const loaded = spec.lazy
      ? loadArriving(this.context, {
          image: spec.image,
          podUID: this.podUID,
          outcome: () => this.outcome(),
          signal: AbortSignal.any([this.signal, over.signal]),
        }).catch((error: unknown) => {
          if (!this.signal.aborted && !over.signal.aborted)
            this.context.log.warn({ ...this.options.id, err: error }, "cannot give up memory that is lost");
        })
      : undefined;
    try {
      for (let attempt = 0, loading = ""; ; attempt++) {
        const outcome = await this.outcome();
        const ended = endOf(outcome);
        if (ended !== undefined) return ended;
        const names = loadingOf(outcome).join(", ");
        if (names !== loading)
          this.announce("PlanReady", `memory is loaded while the processes run: ${names}`);
        loading = names;
        await sleep(exponential(...this.context.times.pollMs, attempt), this.signal);
      }
    } finally {
      over.abort(new Error("the restore has ended"));
      await loaded;
    }
  }

  private outcome(): Promise<Outcome> {
    const { node, times, log } = this.context;
    return retried(
      () => node.outcome(this.podUID, this.signal),
      times.backoffMs,
      this.signal,
      (error, attempt) => {
        log.warn(
          { ...this.options.id, err: error, attempt },
          "cannot read the outcome of a restore; retrying",
        );
        return true;
      },
    );
  }

  /** Writes a status of work in progress. Not awaited: the pod waits for the plan. */
  private announce(reason: NodeRestoreReason, message: string): void {
    const status = { startTime: timeOf(this.startMs) };
    const written = this.status.put(this.status.make(status, reportOf(reason, message)));
    // It rejects only when the process stops.
    written.then(
      (exists) => exists || this.cancel(),
      () => undefined,
    );
  }

  private async finish({ reason, message, cause }: Ended): Promise<void> {
    const { id } = this.options;
    this.context.log.info({ ...id, reason, cause, message }, "NodeRestore finished");
    const status = {
      startTime: timeOf(this.startMs),
      completionTime: timeOf(Date.now()),
      ...(cause === undefined ? {} : { cause }),
    };
    if (!(await this.status.put(this.status.make(status, reportOf(reason, message))))) await this.discard();
  }

  /** Deletes the plan on the node, unless another NodeRestore of the pod exists. */
  private async discard(): Promise<void> {
    const { node, times, log } = this.context;
    const { id, stop, discarded } = this.options;
    const remove = async () => {
      if (!(await this.status.isNamed())) await node.forgetPlan(this.podUID, stop);
    };
    await retried(remove, times.backoffMs, stop, (error, attempt) => {
      log.warn({ ...id, err: error, attempt }, "cannot delete the plan on the node; retrying");
      return true;
    });
    discarded();
  }
}

/** Returns the word of the node's service for a fallback. */
function fallbackOf(fallback: NodeRestoreSpec["fallback"]): "fresh" | "fail" {
  return fallback === "stop" ? "fail" : "fresh";
}

function isFatal(error: unknown): boolean {
  if (error instanceof ArtifactError || error instanceof InvalidInputError) return true;
  return error instanceof NodeServiceError && !isTemporary(error) && FATAL.includes(error.reason);
}
