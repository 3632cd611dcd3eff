import type { NodeCheckpointReason, NodeCheckpointSpec, NodeCheckpointStatus } from "../../../api";
import { NodeServiceError, type CheckpointRequest, type ServiceState } from "../../../clients/node-service";
import type { PushedCheckpoint } from "../../artifact";
import {
  abortAt,
  CheckpointFailure,
  CheckpointJob,
  checkQuota,
  NodeCheckpointWork,
  type CheckpointEntry,
  type NodeCheckpointObject,
  type PushOptions,
  type Request,
} from "../../work";
import { sleep } from "../../../kube";
import type { CriuContext } from "./context";
import { KeptCopies } from "./kept-copies";
import { fatalPushes, retryAfterMs } from "./push-errors";
import { replan } from "./replan";
import { digestOf, resultOf } from "./result";
import { isTemporary, retried, textOf } from "./service";

/** Checkpoints of pods by the service of the node: at most one at a time for a pod. */
export class CriuCheckpointWork extends NodeCheckpointWork {
  private readonly kept = new KeptCopies();

  constructor(
    private readonly context: CriuContext,
    private readonly stop: AbortSignal,
  ) {
    super(context);
  }

  protected subjectOf({ podRef }: NodeCheckpointSpec): string {
    return `pod ${podRef.namespace}/${podRef.name}`;
  }

  job({ uid, name }: Request): CriuCheckpointJob {
    return new CriuCheckpointJob(this.context, { uid, name }, this.stop, this.kept);
  }
}

/** Reasons of the service with an own reason of a NodeCheckpoint. */
const REASONS: Readonly<Record<string, NodeCheckpointReason>> = {
  ContainerNotFound: "ContainerNotFound",
  CheckpointNotPossible: "CheckpointNotPossible",
  InsufficientSpace: "QuotaExceeded",
  QuotaExceeded: "QuotaExceeded",
};

/** Why the agent continues to push a checkpoint of processes that run, and the remedy. */
const KEPT_COPY =
  "the node keeps the checkpoint for a day, or until newer ones need its space, and the push continues. Remedy: restore the access to the registry, or delete the Checkpoint to give it up";

/** Why the agent continues to push the only copy, and the remedy. */
const ONLY_COPY =
  "the processes have ended, so the node keeps the only copy and the push continues. Remedy: restore the access to the registry, or delete the NodeCheckpoint to give the checkpoint up";

/**
 * Requests the checkpoint of a pod from the service of the node, and pushes it as an artifact. A repeated request gets the same
 * checkpoint, so the journal needs no more than that the request was sent.
 *
 * A checkpoint that cannot be pushed in time stays on the node, and the push continues. One of processes that run is given up
 * after a day, or when the quota has no space for a newer one. One that ended the processes is the only copy of their state: it
 * is deleted only once it is pushed, or its NodeCheckpoint is deleted.
 */
export class CriuCheckpointJob extends CheckpointJob {
  constructor(
    private readonly context: CriuContext,
    id: { readonly uid: string; readonly name: string },
    stop: AbortSignal,
    private readonly kept: KeptCopies,
  ) {
    super(context, id, stop);
  }

  protected async checkpointAndPush(
    object: NodeCheckpointObject,
    found: CheckpointEntry | undefined,
  ): Promise<NodeCheckpointStatus> {
    const { spec, metadata } = object;
    const startMs = this.startOf(object, found);
    const deadlineMs = startMs + spec.timeoutSeconds * 1000;
    if (found === undefined) await this.begin(spec, startMs, Date.parse(metadata.creationTimestamp));
    const push = (signal: AbortSignal) => this.context.artifacts.push(this.id.name, spec, signal);
    const common = { spec, startMs, deadlineMs, push, retryAfterMs };
    if (spec.options?.leaveRunning ?? true) {
      await this.takeOrFind(spec, deadlineMs, found !== undefined);
      return resultOf(spec, await this.pushWhileRunning(common));
    }
    await this.checkpointAndStop(spec, { startMs, deadlineMs, wasSent: found !== undefined });
    const fatal = () => this.lost();
    return resultOf(spec, await this.pushed({ ...common, fatal, beyondDeadline: ONLY_COPY }));
  }

  /** Takes a checkpoint, or finds the one that an earlier process took and could not push in time. */
  private async takeOrFind(spec: NodeCheckpointSpec, deadlineMs: number, wasSent: boolean): Promise<void> {
    try {
      return await this.checkpoint(spec, deadlineMs);
    } catch (error) {
      const isTimeout = error instanceof CheckpointFailure && error.reason === "CheckpointFailed";
      if (!wasSent || !isTimeout || Date.now() < deadlineMs) throw error;
    }
    if (!(await this.isTaken())) throw late();
  }

  /** Pushes a checkpoint of processes that run. Beyond the timeout it makes room for newer ones. */
  private async pushWhileRunning(
    common: Omit<PushOptions<PushedCheckpoint>, "fatal" | "beyondDeadline" | "untilMs">,
  ): Promise<PushedCheckpoint> {
    const { name } = this.id;
    const { startMs, deadlineMs } = common;
    const message =
      "not pushed in time, and then deleted on the node: a newer checkpoint needed its space within the quota";
    const giveUp = () => this.givenUp.abort(new CheckpointFailure("RegistryFailed", message));
    const keep = () => this.kept.add({ name, startMs, giveUp });
    this.overdue.addEventListener("abort", keep, { once: true });
    try {
      const untilMs = deadlineMs + this.context.times.keepMs;
      return await this.pushed({ ...common, fatal: fatalPushes(), beyondDeadline: KEPT_COPY, untilMs });
    } finally {
      this.overdue.removeEventListener("abort", keep);
      this.kept.remove(name);
    }
  }

  /** Takes a checkpoint that ends the processes. @throws CheckpointFailure only if the service has no checkpoint */
  private async checkpointAndStop(
    spec: NodeCheckpointSpec,
    {
      startMs,
      deadlineMs,
      wasSent,
    }: { readonly startMs: number; readonly deadlineMs: number; readonly wasSent: boolean },
  ): Promise<void> {
    let mayBeTaken = wasSent;
    try {
      await this.checkpoint(spec, deadlineMs, () => (mayBeTaken = true));
    } catch (error) {
      if (!(error instanceof CheckpointFailure) || !mayBeTaken) throw error;
      const message = `the outcome of the checkpoint is not known yet; waiting for the service of the node: ${error.message}`;
      await this.report(startMs, "CheckpointInProgress", message);
      if (!(await this.isTaken())) throw error;
      this.context.log.warn({ ...this.id, err: error }, "the checkpoint was taken all the same");
    }
  }

  /** Waits until no checkpoint is in flight, however long the service is unavailable. @returns whether it has the checkpoint */
  private async isTaken(): Promise<boolean> {
    const { node, times, log } = this.context;
    const { name } = this.id;
    // The service may not have read a request that was sent just now.
    await sleep(times.backoffMs[0], this.signal);
    const settled = async () => {
      const { checkpoints, inFlight } = await node.state(this.signal);
      if (inFlight.includes(name)) throw new Error("the checkpoint is still being taken");
      return checkpoints.some(({ uid }) => uid === name);
    };
    return retried(settled, times.backoffMs, this.signal, (error, attempt) => {
      log.warn({ ...this.id, err: error, attempt }, "waiting for the outcome of the checkpoint");
      return true;
    });
  }

  /** Returns the failure of a push that no retry can save, because the service has lost the checkpoint. */
  private async lost(): Promise<Error | undefined> {
    const { name } = this.id;
    const state = await this.context.node.state(this.signal).catch(() => undefined);
    if (state === undefined || state.checkpoints.some(({ uid }) => uid === name)) return undefined;
    return new CheckpointFailure("CheckpointFailed", "the service of the node has lost the checkpoint");
  }

  /** Checks what the request needs, and writes the entry before it is sent. */
  private async begin(spec: NodeCheckpointSpec, startMs: number, createdMs: number): Promise<void> {
    const { options, timeoutSeconds } = spec;
    // The controller deletes a request that waits for two minutes longer, and then the only copy would be deleted.
    if (options?.leaveRunning === false && Date.now() >= createdMs + timeoutSeconds * 1000)
      throw new CheckpointFailure(
        "CheckpointFailed",
        `the request waited for more than ${timeoutSeconds} s; the processes were left running`,
      );
    this.checkRepository(spec);
    await this.report(
      startMs,
      "CheckpointInProgress",
      "requesting the checkpoint from the service of the node",
    );
    this.signal.throwIfAborted();
    await this.context.journal.put({ ...this.id, spec, phase: "requested", startMs });
  }

  /** Takes a checkpoint. Gives up the oldest ones that are kept, as long as the quota has no space. */
  private async checkpoint(
    spec: NodeCheckpointSpec,
    deadlineMs: number,
    sending?: () => void,
  ): Promise<void> {
    for (;;) {
      try {
        return await this.checkpointOnce(spec, deadlineMs, sending);
      } catch (error) {
        if (!(error instanceof CheckpointFailure) || error.reason !== "QuotaExceeded") throw error;
        const name = this.kept.giveUpOldest();
        if (name === undefined) throw error;
        this.context.log.warn(
          { ...this.id, givenUp: name, err: error },
          "gave up a checkpoint that was kept",
        );
        // Its own job deletes it too, but only after it has reported.
        await this.onService(deadlineMs, (signal) => this.context.node.forget(name, signal));
      }
    }
  }

  /** @param sending called before the request is sent */
  private async checkpointOnce(
    spec: NodeCheckpointSpec,
    deadlineMs: number,
    sending?: () => void,
  ): Promise<void> {
    const { settings, node } = this.context;
    const { podRef, containerNames, options = {} } = spec;
    const { tcp, preDump, leaveRunning = true, freezeSeconds } = options;
    const request: CheckpointRequest = {
      uid: this.id.name,
      podUID: podRef.uid,
      ...(containerNames.length === 0
        ? {}
        : { containers: containerNames.map((name) => ({ name, image: digestOf(spec, name) })) }),
      ...(tcp === undefined ? {} : { tcp }),
      ...(preDump === undefined ? {} : { preDump }),
      ...(leaveRunning ? {} : { stop: true }),
      ...(freezeSeconds === undefined ? {} : { freezeMilliseconds: freezeSeconds * 1000 }),
      reserveBytes: settings.reserveBytes,
    };
    await this.onService(deadlineMs, async (signal) => {
      const { checkpoints, freeBytes, plans, stagings } = await node.state(signal);
      // A checkpoint of an earlier request is returned as it is, whatever else is on the disk.
      const others = checkpoints.filter(({ uid }) => uid !== request.uid);
      const usedBytes = bytesOf(others);
      // The service does not report their size, so they are only counted.
      const restoredPods = new Set([...plans.filter(isPlan), ...stagings].map(({ podUID: uid }) => uid)).size;
      if (others.length === checkpoints.length)
        checkQuota({ usedBytes, freeBytes, restoredPods }, settings, "before");
      const maxBytes = Math.max(1, settings.quotaBytes - usedBytes);
      sending?.();
      await node.checkpoint({ ...request, maxBytes }, signal);
    });
    // Whatever its size, the only copy is not deleted.
    if (!leaveRunning) return;
    const { checkpoints } = await this.onService(deadlineMs, (signal) => node.state(signal));
    // Checkpoints at the same time can exceed the quota together. The service has kept the reserve free.
    checkQuota({ usedBytes: bytesOf(checkpoints), freeBytes: Infinity }, settings, "after");
  }

  /** Retries while the service is unavailable. @throws CheckpointFailure; the signal's reason */
  private async onService<T>(deadlineMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { times, log } = this.context;
    const until = Math.min(deadlineMs, Date.now() + times.serviceMs);
    // A request that is sent now could end the processes although the checkpoint fails.
    if (Date.now() >= deadlineMs) throw late();
    const deadline = abortAt(deadlineMs);
    try {
      return await retried(
        () => work(AbortSignal.any([this.signal, deadline.signal])),
        times.backoffMs,
        this.signal,
        (error, attempt) => {
          const retries = isTemporary(error) && !isFull(error) && Date.now() < until;
          if (retries)
            log.warn({ ...this.id, err: error, attempt }, "request to the service failed; retrying");
          return retries;
        },
      );
    } catch (error) {
      this.signal.throwIfAborted();
      if (error instanceof CheckpointFailure) throw error;
      if (deadline.signal.aborted) throw late();
      if (!(error instanceof NodeServiceError)) throw error;
      throw new CheckpointFailure(REASONS[error.reason] ?? "CheckpointFailed", textOf(error));
    } finally {
      deadline.end();
    }
  }

  /**
   * Deletes the checkpoint on the node, also one that is still in flight once it ends. A pushed one of a restored pod is first
   * offered to the plan of the pod: its containers may be restored again.
   */
  protected async remove({ phase, spec, status }: CheckpointEntry): Promise<void> {
    const { node, times, log } = this.context;
    const isPushed = phase === "finished" && status?.digest !== undefined;
    if (isPushed && (spec.options?.leaveRunning ?? true))
      await replan(this.context, this.id, spec.podRef.uid, this.stop);
    await retried(
      () => node.forget(this.id.name, this.stop),
      times.backoffMs,
      this.stop,
      (error, attempt) => {
        log.warn({ ...this.id, err: error, attempt }, "cannot delete the checkpoint on the node; retrying");
        return true;
      },
    );
  }
}

/** Returns false for the decision about a pod that started without a plan. */
function isPlan({ checkpoint }: ServiceState["plans"][number]): boolean {
  return checkpoint !== undefined;
}

function bytesOf(checkpoints: ServiceState["checkpoints"]): number {
  return checkpoints.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Space that is missing does not come back in time. */
function isFull(error: unknown): boolean {
  return error instanceof NodeServiceError && error.reason === "InsufficientSpace";
}

function late(): CheckpointFailure {
  return new CheckpointFailure("CheckpointFailed", "the checkpoint was not taken in time");
}
