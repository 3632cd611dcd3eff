import type { NodeCheckpointReason, NodeCheckpointSpec, NodeCheckpointStatus } from "../../../api";
import { NodeServiceError, type CheckpointRequest, type ServiceState } from "../../../clients/node-service";
import { ArtifactError } from "../../artifact";
import {
  abortAt,
  CheckpointFailure,
  CheckpointJob,
  checkQuota,
  NodeCheckpointWork,
  type CheckpointEntry,
  type NodeCheckpointObject,
  type Request,
} from "../../work";
import { sleep } from "../../../kube";
import type { CriuContext } from "./context";
import { replan } from "./replan";
import { digestOf, resultOf } from "./result";
import { isTemporary, retried, textOf } from "./service";

/** Checkpoints of pods by the service of the node: at most one at a time for a pod. */
export class CriuCheckpointWork extends NodeCheckpointWork {
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
    return new CriuCheckpointJob(this.context, { uid, name }, this.stop);
  }
}

/** Reasons of the service with an own reason of a NodeCheckpoint. */
const REASONS: Readonly<Record<string, NodeCheckpointReason>> = {
  ContainerNotFound: "ContainerNotFound",
  CheckpointNotPossible: "CheckpointNotPossible",
  InsufficientSpace: "QuotaExceeded",
  QuotaExceeded: "QuotaExceeded",
};

/** Why the agent continues to push the only copy, and the remedy. */
const ONLY_COPY =
  "the processes have ended, so the node keeps the only copy and the push continues. Remedy: restore the access to the registry, or delete the NodeCheckpoint to give the checkpoint up";

/**
 * Requests the checkpoint of a pod from the service of the node, and pushes it as an artifact. A repeated request gets the same
 * checkpoint, so the journal needs no more than that the request was sent.
 *
 * A checkpoint that ends the processes is the only copy of their state. It is deleted only once it is pushed, or its
 * NodeCheckpoint is deleted.
 */
export class CriuCheckpointJob extends CheckpointJob {
  constructor(
    private readonly context: CriuContext,
    id: { readonly uid: string; readonly name: string },
    stop: AbortSignal,
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
    const push = (signal: AbortSignal) => this.context.artifacts.push(this.id.name, spec.image, signal);
    const common = { spec, startMs, deadlineMs, push };
    if (spec.options?.leaveRunning ?? true) {
      await this.checkpoint(spec, deadlineMs);
      return resultOf(spec, await this.pushed({ ...common, fatal: fatalPush }));
    }
    await this.checkpointAndStop(spec, { startMs, deadlineMs, wasSent: found !== undefined });
    const fatal = () => this.lost();
    return resultOf(spec, await this.pushed({ ...common, fatal, beyondDeadline: ONLY_COPY }));
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

  /** @param sending called before the request is sent */
  private async checkpoint(
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
    const late = () => new CheckpointFailure("CheckpointFailed", "the checkpoint was not taken in time");
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

async function fatalPush(error: unknown): Promise<Error | undefined> {
  const isFatal = error instanceof ArtifactError || (error instanceof NodeServiceError && !error.retryable);
  return isFatal ? new CheckpointFailure("CheckpointFailed", textOf(error)) : undefined;
}
