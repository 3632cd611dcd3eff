import type { CheckpointReason, CheckpointStatus, ContainerCheckpoint } from "../../api";
import { EngineError, type Engine } from "../engines";
import { type Context } from "./context";
import { timeOf, withPhase, type Phase } from "./state";
import { isOutdated, retryUntilWritten } from "../../kube";
import { CHECKPOINT, POD, checkSourcePod, type CheckpointObject, type SourcePodState } from "./objects";

type Running = Extract<SourcePodState, { is: "running" }>;
type RequestResult =
  | { readonly is: "done" }
  | { readonly is: "failed"; readonly error: EngineError }
  /** The process stops: the next leader resumes it. */
  | { readonly is: "aborted" };

/**
 * One Checkpoint in flight: requests one container after the other from the engine. Each request is recorded in the status
 * before it is sent, so that a later leader never repeats it.
 */
export class CheckpointRun {
  private containers: ContainerCheckpoint[];
  private unknown = false;
  private readonly base: CheckpointStatus;

  constructor(
    private readonly context: Context,
    /** As last read or written. */
    private object: CheckpointObject,
    private readonly engine: Engine,
    private readonly pod: Running,
    /** Status of a request by an earlier process whose outcome is unknown. Only for an engine that can resume. */
    resumed?: CheckpointStatus,
  ) {
    this.containers = [...(resumed?.containers ?? pod.containers.map(bare))];
    const startTime = resumed?.startTime ?? timeOf(Date.now());
    this.base = { ...pod.facts, engine: engine.name, startTime };
  }

  /** Whether the engine may still work on it, because its response was lost or inconclusive. */
  get isOutcomeUnknown(): boolean {
    return this.unknown;
  }

  /** Records that the engine is about to receive the request. @throws ApiError 409 if the object changed since it was read */
  async writeAhead(): Promise<void> {
    this.begin(0);
    this.object = await this.putStatus(this.requested(this.object, 0));
  }

  /**
   * Sends the requests to the engine and records the outcome.
   * @returns true if the engine could not be reached, so that nothing was requested
   * @throws the error that prevents the outcome from being recorded; the next reconcile then finds it unknown
   */
  async finish(): Promise<boolean> {
    for (const [index, { startTime, completionTime }] of this.containers.entries()) {
      if (completionTime !== undefined) continue;
      // The request is already recorded for the first container, and for one that is resumed.
      if (startTime === undefined && !(await this.next(index))) return false;
      const result = await this.request(index);
      if (result.is === "aborted") return false;
      if (result.is === "failed") return this.fail(index, result.error);
    }
    await this.end("completed", "CheckpointCompleted", this.completedMessage());
    return false;
  }

  /** @returns false if it has ended: the Checkpoint was deleted, or the pod was replaced */
  private async next(index: number): Promise<boolean> {
    const { client, inFlight, log } = this.context;
    const { namespace } = this.object.metadata;
    const { podRef } = this.object.spec;
    const key = { namespace, name: podRef.name };
    const pod = await retryUntilWritten(log, inFlight.signal, () => client.get(POD, key));
    const source = checkSourcePod(pod, this.object.spec, this.pod.facts.podUID);
    if (source.is === "lost") {
      await this.end("failed", source.reason, `${this.doneBefore(index)}${source.message}`);
      return false;
    }
    this.begin(index);
    return this.write((object) => this.requested(object, index));
  }

  private async request(index: number): Promise<RequestResult> {
    const { inFlight, log } = this.context;
    const { metadata, spec } = this.object;
    const container = this.containers[index]?.name ?? "";
    const { podUID, nodeName } = this.pod.facts;
    try {
      const result = await this.engine.checkpoint(
        {
          id: metadata.uid,
          namespace: metadata.namespace,
          pod: spec.podRef.name,
          podUID,
          nodeName,
          container,
          ...(spec.location === undefined ? {} : { location: this.locationOf(container, spec.location) }),
          leaveRunning: spec.leaveRunning ?? true,
        },
        inFlight.signal,
      );
      this.update(index, { ...result, completionTime: timeOf(Date.now()) });
      return { is: "done" };
    } catch (error) {
      if (this.engine.canResume && inFlight.signal.aborted) return { is: "aborted" };
      if (error instanceof EngineError) return { is: "failed", error };
      log.error(
        { err: error, checkpoint: metadata.name, namespace: metadata.namespace },
        "unexpected engine error",
      );
      const message = error instanceof Error ? error.message : String(error);
      return { is: "failed", error: new EngineError(message, { outcome: "unknown", retryable: false }) };
    }
  }

  private async fail(
    index: number,
    { message, outcome, retryable, reason: why }: EngineError,
  ): Promise<boolean> {
    const container = this.containers[index]?.name ?? "";
    const detail = `${this.doneBefore(index)}container ${container}: ${message}`;
    if (retryable && index === 0) {
      this.containers = this.containers.map(bare);
      const { startTime: _startTime, ...status } = this.base;
      const text = `engine ${this.engine.name} is unreachable: ${message}`;
      await this.write((object) => withPhase(object, status, "pending", "Pending", text, Date.now()));
      return true;
    }
    this.unknown = outcome === "unknown";
    const reason = this.unknown ? "OutcomeUnknown" : (why ?? "CheckpointFailed");
    await this.end("failed", reason, detail);
    return false;
  }

  private async end(phase: Phase, reason: CheckpointReason, message: string): Promise<void> {
    const now = Date.now();
    const sizes = this.containers.map(({ sizeBytes }) => sizeBytes);
    const known = phase === "completed" && sizes.every((size) => size !== undefined);
    const status: CheckpointStatus = {
      ...this.base,
      containers: this.containers,
      completionTime: timeOf(now),
      durationMilliseconds: now - Date.parse(this.base.startTime ?? ""),
      ...(known ? { sizeBytes: sizes.reduce((sum, size) => sum + size, 0) } : {}),
    };
    const written = await this.write((object) => withPhase(object, status, phase, reason, message, now));
    const { metadata } = this.object;
    this.context.log.info(
      { checkpoint: metadata.name, namespace: metadata.namespace, reason, deleted: !written },
      "checkpoint ended",
    );
    this.context.report.ended(this.object, reason, message, status);
    await this.release();
  }

  /** Releases the requests in the engine. A later sweep releases what remains. */
  private async release(): Promise<void> {
    const { inFlight, log } = this.context;
    const { uid, name: checkpoint } = this.object.metadata;
    for (const { name, startTime } of this.containers) {
      if (startTime === undefined) continue;
      await this.engine.forget?.(uid, name, inFlight.signal).catch((error: unknown) => {
        log.warn({ checkpoint, container: name, err: error }, "request not released by the engine");
      });
    }
  }

  /** @returns false if the Checkpoint was deleted */
  private write(statusOf: (object: CheckpointObject) => CheckpointStatus): Promise<boolean> {
    const { client, inFlight, log } = this.context;
    return retryUntilWritten(log, inFlight.signal, async () => {
      for (;;) {
        try {
          this.object = await this.putStatus(statusOf(this.object));
          return true;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        const live = await client.get(CHECKPOINT, this.object.metadata);
        if (live?.metadata.uid !== this.object.metadata.uid) return false;
        this.object = live;
      }
    });
  }

  private putStatus(status: CheckpointStatus): Promise<CheckpointObject> {
    return this.context.client.applyStatus(CHECKPOINT, this.object.metadata, status);
  }

  private requested(object: CheckpointObject, index: number): CheckpointStatus {
    const message = `${this.engine.name} checkpoints container ${this.containers[index]?.name}`;
    const status = { ...this.base, containers: this.containers };
    return withPhase(object, status, "requested", "CheckpointInProgress", message, Date.now());
  }

  private begin(index: number): void {
    this.update(index, { startTime: timeOf(Date.now()) });
  }

  private update(index: number, change: Partial<ContainerCheckpoint>): void {
    this.containers = this.containers.map((one, at) => (at === index ? { ...one, ...change } : one));
  }

  /** Returns the location of a container: the given one, or a sibling of it for each of several containers. */
  private locationOf(container: string, location: string): string {
    return this.containers.length === 1 ? location : `${location}-${container}`;
  }

  private doneBefore(index: number): string {
    const done = this.containers.slice(0, index).map(({ name }) => name);
    return done.length === 0 ? "" : `${done.join(", ")} done; `;
  }

  private completedMessage(): string {
    return `checkpointed ${this.containers.map(({ name }) => name).join(", ")}`;
  }
}

function bare({ name, image }: { readonly name: string; readonly image?: string }): ContainerCheckpoint {
  return { name, ...(image ? { image } : {}) };
}
