import type { NodeCheckpointReason, NodeCheckpointSpec, NodeCheckpointStatus } from "../../../api";
import { NodeServiceError, type CheckpointRequest, type ServiceState } from "../../../clients/node-service";
import { ArtifactError, type PushedCheckpoint } from "../../artifact";
import {
  CheckpointFailure,
  CheckpointJob,
  checkQuota,
  NodeCheckpointWork,
  type NodeCheckpointObject,
  type Request,
} from "../../work";
import type { CriuContext, JournalEntry } from "./context";
import { isTemporary, retried, textOf } from "./service";

/** Checkpoints of pods by the service of the node: at most one at a time for a pod. */
export class CriuCheckpointWork extends NodeCheckpointWork<JournalEntry> {
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

/**
 * Requests the checkpoint of a pod from the service of the node, and pushes it as an artifact. A repeated request gets the same
 * checkpoint, so the journal needs no more than that the request was sent.
 */
export class CriuCheckpointJob extends CheckpointJob<JournalEntry> {
  /** The service may be unavailable. */
  protected readonly removesFirst = false;

  constructor(
    private readonly context: CriuContext,
    id: { readonly uid: string; readonly name: string },
    stop: AbortSignal,
  ) {
    super(context, id, stop);
  }

  protected async checkpointAndPush(
    object: NodeCheckpointObject,
    found: JournalEntry | undefined,
  ): Promise<NodeCheckpointStatus> {
    const { spec } = object;
    const startMs = this.startOf(object, found);
    const deadlineMs = startMs + spec.timeoutSeconds * 1000;
    if (found === undefined) await this.begin(spec, startMs);
    await this.checkpoint(spec, deadlineMs);
    const push = (signal: AbortSignal) => this.context.artifacts.push(this.id.name, spec.image, signal);
    return resultOf(await this.pushed({ spec, startMs, deadlineMs, push, fatal: fatalPush }));
  }

  /** Checks what the request needs, and writes the entry before it is sent. */
  private async begin(spec: NodeCheckpointSpec, startMs: number): Promise<void> {
    if (spec.containerNames === undefined)
      throw new CheckpointFailure("CheckpointFailed", "the engine criu needs spec.containerNames");
    this.checkRepository(spec);
    await this.report(
      startMs,
      "CheckpointInProgress",
      "requesting the checkpoint from the service of the node",
    );
    this.signal.throwIfAborted();
    await this.context.journal.put({ ...this.id, spec, phase: "requested", startMs });
  }

  private async checkpoint(spec: NodeCheckpointSpec, deadlineMs: number): Promise<void> {
    const { settings, node } = this.context;
    const { podRef, containerNames = [], options = {} } = spec;
    const { tcp, leaveRunning = true, freezeSeconds } = options;
    const request: CheckpointRequest = {
      uid: this.id.name,
      podUID: podRef.uid,
      ...(containerNames.length === 0
        ? {}
        : { containers: containerNames.map((name) => ({ name, image: "" })) }),
      ...(tcp === undefined ? {} : { tcp }),
      ...(leaveRunning ? {} : { stop: true }),
      ...(freezeSeconds === undefined ? {} : { freezeMilliseconds: freezeSeconds * 1000 }),
      reserveBytes: settings.reserveBytes,
    };
    await this.onService(deadlineMs, async (signal) => {
      const { checkpoints, freeBytes } = await node.state(signal);
      // A checkpoint of an earlier request is returned as it is, whatever else is on the disk.
      const others = checkpoints.filter(({ uid }) => uid !== request.uid);
      const usedBytes = bytesOf(others);
      if (others.length === checkpoints.length) checkQuota({ usedBytes, freeBytes }, settings, "before");
      const maxBytes = Math.max(1, settings.quotaBytes - usedBytes);
      await node.checkpoint({ ...request, maxBytes }, signal);
    });
    const { checkpoints } = await this.onService(deadlineMs, (signal) => node.state(signal));
    // Checkpoints at the same time can exceed the quota together. The service has kept the reserve free.
    checkQuota({ usedBytes: bytesOf(checkpoints), freeBytes: Infinity }, settings, "after");
  }

  /** Retries while the service is unavailable. @throws CheckpointFailure; the signal's reason */
  private async onService<T>(deadlineMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { times, log } = this.context;
    const until = Math.min(deadlineMs, Date.now() + times.serviceMs);
    const deadline = AbortSignal.timeout(Math.max(1, deadlineMs - Date.now()));
    try {
      return await retried(
        () => work(AbortSignal.any([this.signal, deadline])),
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
      if (deadline.aborted)
        throw new CheckpointFailure("CheckpointFailed", "the checkpoint was not taken in time");
      if (!(error instanceof NodeServiceError)) throw error;
      throw new CheckpointFailure(REASONS[error.reason] ?? "CheckpointFailed", textOf(error));
    }
  }

  protected async located(entry: JournalEntry): Promise<JournalEntry> {
    return entry;
  }

  /** Deletes the checkpoint on the node, also one that is still in flight once it ends. */
  protected async remove(): Promise<void> {
    const { node, times, log } = this.context;
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

  protected abandon(): Promise<void> {
    return this.remove();
  }
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

/** Returns the status fields of a pushed checkpoint. */
function resultOf({ image, digest, sizeBytes, metadata }: PushedCheckpoint): NodeCheckpointStatus {
  const { node, createdAt, frozenNanoseconds, containers } = metadata;
  return {
    image,
    digest,
    sizeBytes,
    architecture: node.architecture,
    checkpointedTime: createdAt,
    frozenMilliseconds: Math.round(frozenNanoseconds / 1e6),
    containers: containers.map(({ name }) => ({ name })),
  };
}
