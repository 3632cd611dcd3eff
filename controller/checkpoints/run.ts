import type { CheckpointReason, CheckpointStatus, ContainerCheckpoint } from "../../api/checkpoint";
import { EngineError, type Engine } from "../engines";
import type { Context } from "./context";
import { insist } from "./insist";
import type { CheckpointObject } from "./objects";
import { getCheckpoint, getPod, isOutdated, putCheckpointStatus } from "./requests";
import { judgePod, type Verdict } from "./source-pod";
import { timeOf, withPhase, type Phase } from "./state";

type Running = Extract<Verdict, { is: "running" }>;
type Answer =
  | { readonly is: "done" }
  | { readonly is: "failed"; readonly error: EngineError }
  /** The process stops: who leads next asks again. */
  | { readonly is: "left" };

/**
 * One Checkpoint while its engine works: asks it for one container after the other. Before each is asked it is written
 * that it may have been, so that whoever finds that without an answer does not ask again.
 */
export class Run {
  private containers: ContainerCheckpoint[];
  private unknown = false;
  private readonly base: CheckpointStatus;

  constructor(
    private readonly context: Context,
    /** As last read or written. */
    private object: CheckpointObject,
    private readonly engine: Engine,
    private readonly pod: Running,
    /** What another process asked, and heard no end of. Only for an engine that can resume. */
    resumed?: CheckpointStatus,
  ) {
    this.containers = [...(resumed?.containers ?? pod.containers.map(bare))];
    const startTime = resumed?.startTime ?? timeOf(Date.now());
    this.base = { ...pod.facts, engine: engine.name, startTime };
  }

  /** Of the object as last read or written. */
  get resourceVersion(): string {
    return this.object.metadata.resourceVersion;
  }

  /** Whether the engine may still work on it although it has answered, or its answer was lost. */
  get isOutcomeUnknown(): boolean {
    return this.unknown;
  }

  /** Writes that the engine is about to be asked. @throws ApiError 409 if the object is not as it was read */
  async writeAhead(): Promise<void> {
    this.begin(0);
    this.object = await putCheckpointStatus(this.context.client, this.object, this.asked(this.object, 0));
  }

  /**
   * Asks the engine and writes what comes of it.
   * @returns true if the engine could not be reached, so that all is as if it was not asked
   * @throws what keeps the end from being written; then the next look finds that the outcome is unknown
   */
  async finish(): Promise<boolean> {
    for (const [index, { startTime, completionTime }] of this.containers.entries()) {
      if (completionTime !== undefined) continue;
      // It is written of the first, and of one that is resumed, that it is asked.
      if (startTime === undefined && !(await this.next(index))) return false;
      const answer = await this.ask(index);
      if (answer.is === "left") return false;
      if (answer.is === "failed") return this.fail(index, answer.error);
    }
    await this.end("completed", "CheckpointCompleted", this.completedMessage());
    return false;
  }

  /** @returns false if it is over: the Checkpoint was deleted, or the pod is no longer the one that was */
  private async next(index: number): Promise<boolean> {
    const { client, flights, log } = this.context;
    const { namespace } = this.object.metadata;
    const { podRef } = this.object.spec;
    const pod = await insist(log, flights.signal, () => getPod(client, namespace, podRef.name));
    const verdict = judgePod(pod, this.object.spec, this.pod.facts.podUID);
    if (verdict.is === "lost") {
      await this.end("failed", verdict.reason, `${this.doneBefore(index)}${verdict.message}`);
      return false;
    }
    this.begin(index);
    return this.write((object) => this.asked(object, index));
  }

  private async ask(index: number): Promise<Answer> {
    const { flights, log } = this.context;
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
        flights.signal,
      );
      this.update(index, { ...result, completionTime: timeOf(Date.now()) });
      return { is: "done" };
    } catch (error) {
      if (this.engine.canResume && flights.signal.aborted) return { is: "left" };
      if (error instanceof EngineError) return { is: "failed", error };
      log.error({ err: error, checkpoint: metadata.name, namespace: metadata.namespace }, "engine threw");
      const message = error instanceof Error ? error.message : String(error);
      return { is: "failed", error: new EngineError(message, { outcome: "unknown", retryable: false }) };
    }
  }

  private async fail(
    index: number,
    { message, outcome, retryable, reason: why }: EngineError,
  ): Promise<boolean> {
    const container = this.containers[index]?.name ?? "";
    const said = `${this.doneBefore(index)}container ${container}: ${message}`;
    if (retryable && index === 0) {
      this.containers = this.containers.map(bare);
      const { startTime: _startTime, ...status } = this.base;
      const waiting = `engine ${this.engine.name} cannot be reached: ${message}`;
      await this.write((object) => withPhase(object, status, "waiting", "Pending", waiting, Date.now()));
      return true;
    }
    this.unknown = outcome === "unknown";
    const reason = this.unknown ? "OutcomeUnknown" : (why ?? "CheckpointFailed");
    await this.end("failed", reason, said);
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
    await this.forget();
  }

  /** What the engine keeps for those who ask again is of no use any more. What stays is swept later. */
  private async forget(): Promise<void> {
    const { flights, log } = this.context;
    const { uid, name: checkpoint } = this.object.metadata;
    for (const { name, startTime } of this.containers) {
      if (startTime === undefined) continue;
      await this.engine.forget?.(uid, name, flights.signal).catch((error: unknown) => {
        log.warn({ checkpoint, container: name, err: error }, "the engine keeps what it was asked");
      });
    }
  }

  /** @returns false if the Checkpoint was deleted */
  private write(make: (object: CheckpointObject) => CheckpointStatus): Promise<boolean> {
    const { client, flights, log } = this.context;
    return insist(log, flights.signal, async () => {
      for (;;) {
        try {
          this.object = await putCheckpointStatus(client, this.object, make(this.object));
          return true;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        const { namespace, name, uid } = this.object.metadata;
        const live = await getCheckpoint(client, namespace, name);
        if (live?.metadata.uid !== uid) return false;
        this.object = live;
      }
    });
  }

  private asked(object: CheckpointObject, index: number): CheckpointStatus {
    const message = `${this.engine.name} checkpoints container ${this.containers[index]?.name}`;
    const status = { ...this.base, containers: this.containers };
    return withPhase(object, status, "asked", "CheckpointInProgress", message, Date.now());
  }

  private begin(index: number): void {
    this.update(index, { startTime: timeOf(Date.now()) });
  }

  private update(index: number, change: Partial<ContainerCheckpoint>): void {
    this.containers = this.containers.map((one, at) => (at === index ? { ...one, ...change } : one));
  }

  /** Several containers do not share a directory; a sibling needs no more of the path than the one that was given. */
  private locationOf(container: string, location: string): string {
    return this.containers.length === 1 ? location : `${location}-${container}`;
  }

  private doneBefore(index: number): string {
    const done = this.containers.slice(0, index).map(({ name }) => name);
    return done.length === 0 ? "" : `${done.join(", ")} done; `;
  }

  private completedMessage(): string {
    const names = this.containers.map(({ name }) => name).join(", ");
    const kept =
      this.object.spec.deletionPolicy === "Delete" && !this.engine.canDelete
        ? `; engine ${this.engine.name} cannot delete: the data stays when this object is deleted`
        : "";
    return `checkpointed ${names}${kept}`;
  }
}

function bare({ name, image }: { readonly name: string; readonly image?: string }): ContainerCheckpoint {
  return { name, ...(image ? { image } : {}) };
}
