import type { CheckpointEndReason, CheckpointStatus, ContainerCheckpoint } from "../../api";
import { checkpointsPods, EngineError, type Engine } from "../engines";
import { type Context } from "./context";
import { timeOf, withPhase, type Phase } from "./state";
import { isOutdated, retryUntilWritten } from "../../kube";
import { putRecord } from "./record";
import {
  CHECKPOINT,
  POD,
  checkSourcePod,
  type CheckpointObject,
  type SourceContainer,
  type SourcePodState,
} from "./objects";

type Running = Extract<SourcePodState, { is: "running" }>;
type RequestResult =
  | { readonly is: "done" }
  | { readonly is: "failed"; readonly error: EngineError }
  /** The process stops: the next leader resumes it. */
  | { readonly is: "aborted" };

/** The containers of one request, by their indices in the status. */
type Step = readonly number[];

/**
 * One Checkpoint in flight: requests one container after the other from the engine, or all of them at once if it
 * checkpoints pods. Each request is recorded in the status before it is sent, so that a later leader never repeats it.
 */
export class CheckpointRun {
  private containers: ContainerCheckpoint[];
  private readonly steps: readonly Step[];
  /** Properties of the whole, if the engine checkpoints pods. */
  private whole: Pick<CheckpointStatus, "sizeBytes" | "frozenMilliseconds"> = {};
  private unknown = false;
  /** Called when the engine needs longer than its timeout. */
  onLate: () => void = () => undefined;
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
    this.containers = [...(resumed?.containers ?? pod.containers.map((one) => this.bare(one)))];
    const all = [...this.containers.keys()];
    this.steps = checkpointsPods(engine) ? [all] : all.map((index) => [index]);
    const startTime = resumed?.startTime ?? timeOf(Date.now());
    this.base = { ...pod.facts, engine: engine.name, startTime };
  }

  /** Whether the engine may still work on it, because its response was lost or inconclusive. */
  get isOutcomeUnknown(): boolean {
    return this.unknown;
  }

  /** Records that the engine is about to receive the request. @throws ApiError 409 if the object changed since it was read */
  async writeAhead(): Promise<void> {
    const { client, log } = this.context;
    const [first = []] = this.steps;
    if (this.object.record === undefined) this.object = await putRecord(client, log, this.object);
    this.begin(first);
    this.object = await this.putStatus(this.requested(this.object, first), this.object);
  }

  /**
   * Sends the requests to the engine and records the outcome.
   * @returns true if the engine could not be reached, so that nothing was requested
   * @throws the error that prevents the outcome from being recorded; the next reconcile then finds it unknown
   */
  async finish(): Promise<boolean> {
    for (const step of this.steps) {
      const containers = this.at(step);
      if (containers.every(({ completionTime }) => completionTime !== undefined)) continue;
      // The request is already recorded for the first step, and for one that is resumed.
      const isRecorded = containers.every(({ startTime }) => startTime !== undefined);
      if (!isRecorded && !(await this.next(step))) return false;
      const result = await this.request(step);
      if (result.is === "aborted") return false;
      if (result.is === "failed") return this.fail(step, result.error);
    }
    await this.end("completed", "CheckpointCompleted", this.completedMessage());
    return false;
  }

  /** @returns false if it has ended: the Checkpoint was deleted, or the pod was replaced */
  private async next(step: Step): Promise<boolean> {
    const { client, inFlight, log } = this.context;
    const { namespace } = this.object.metadata;
    const { podRef } = this.object.spec;
    const key = { namespace, name: podRef.name };
    const pod = await retryUntilWritten(log, inFlight.signal, () => client.get(POD, key));
    const source = checkSourcePod(pod, this.object.spec, this.pod.facts.podUID, checkpointsPods(this.engine));
    if (source.is === "lost") {
      await this.end("failed", source.reason, `${this.doneBefore(step)}${source.message}`);
      return false;
    }
    this.begin(step);
    return this.write((object) => this.requested(object, step));
  }

  private async request(step: Step): Promise<RequestResult> {
    const { inFlight, log } = this.context;
    const { metadata } = this.object;
    try {
      await this.send(step, inFlight.signal);
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

  /** Sends the request of a step, and keeps its result. */
  private async send(step: Step, signal: AbortSignal): Promise<void> {
    const { metadata, spec } = this.object;
    const { podUID, nodeName } = this.pod.facts;
    const { location, leaveRunning = true } = spec;
    const pod = {
      id: metadata.uid,
      namespace: metadata.namespace,
      pod: spec.podRef.name,
      podUID,
      nodeName,
      leaveRunning,
    };
    const names = this.at(step).map(({ name }) => name);
    if (checkpointsPods(this.engine)) {
      const where = location === undefined ? {} : { location };
      const reports = {
        late: (message: string) => this.late(message),
        progress: (message: string) => this.progress(message),
      };
      const baseImages = this.at(step).flatMap(({ name, baseImage }) =>
        baseImage === undefined ? [] : [{ name, image: baseImage }],
      );
      const request = { ...pod, ...where, containers: names, baseImages, ...reports };
      const result = await this.engine.checkpointPod(request, signal);
      const { containers, ...whole } = result;
      this.whole = whole;
      const completionTime = timeOf(Date.now());
      for (const index of step)
        this.update(index, { ...containers.get(this.containers[index]?.name ?? ""), completionTime });
      return;
    }
    const [container = ""] = names;
    const where = location === undefined ? {} : { location: this.locationOf(container, location) };
    const result = await this.engine.checkpoint({ ...pod, ...where, container }, signal);
    for (const index of step) this.update(index, { ...result, completionTime: timeOf(Date.now()) });
  }

  /** Records why the engine needs longer than its timeout. @throws EngineError if the Checkpoint was deleted */
  private async late(message: string): Promise<void> {
    await this.progress(message);
    this.onLate();
  }

  /** Records what the engine reports. @throws EngineError if the Checkpoint was deleted */
  private async progress(message: string): Promise<void> {
    const status = { ...this.base, containers: this.containers };
    const exists = await this.write((object) =>
      withPhase(object, status, "requested", "CheckpointInProgress", message, Date.now()),
    );
    const error = { outcome: "failed", retryable: false } as const;
    if (!exists) throw new EngineError("the Checkpoint was deleted", error);
  }

  private async fail(
    step: Step,
    { message, outcome, retryable, reason: why }: EngineError,
  ): Promise<boolean> {
    const detail = checkpointsPods(this.engine)
      ? message
      : `${this.doneBefore(step)}container ${this.namesOf(step)}: ${message}`;
    if (retryable && step === this.steps[0]) {
      this.containers = this.containers.map((one) => this.bare(one));
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

  private async end(phase: Phase, reason: CheckpointEndReason, message: string): Promise<void> {
    const { client, log } = this.context;
    const now = Date.now();
    const sizes = this.containers.map(({ sizeBytes }) => sizeBytes);
    const known = phase === "completed" && sizes.every((size) => size !== undefined);
    const status: CheckpointStatus = {
      ...this.base,
      containers: this.containers,
      completionTime: timeOf(now),
      durationMilliseconds: now - Date.parse(this.base.startTime ?? ""),
      ...(known ? { sizeBytes: sizes.reduce((sum, size) => sum + size, 0) } : {}),
      ...this.whole,
    };
    // The record first: a status that says Ready is in each backup.
    if (phase === "completed") await this.put((object) => putRecord(client, log, object, status));
    const written = await this.write((object) => withPhase(object, status, phase, reason, message, now));
    this.context.report.ended(this.object, reason, message, status, !written);
    await this.release();
  }

  /** Releases the requests in the engine. A later sweep releases what remains. */
  private async release(): Promise<void> {
    const { inFlight, log } = this.context;
    const { uid, name: checkpoint } = this.object.metadata;
    await this.engine.forget?.(uid, inFlight.signal).catch((error: unknown) => {
      log.warn({ checkpoint, err: error }, "request not released by the engine");
    });
  }

  /** @returns false if the Checkpoint was deleted */
  private write(statusOf: (object: CheckpointObject) => CheckpointStatus): Promise<boolean> {
    return this.put((object) => this.putStatus(statusOf(object), object));
  }

  /** Writes until it is done. @returns false if the Checkpoint was deleted */
  private put(work: (object: CheckpointObject) => Promise<CheckpointObject>): Promise<boolean> {
    const { client, inFlight, log } = this.context;
    return retryUntilWritten(log, inFlight.signal, async () => {
      for (;;) {
        try {
          this.object = await work(this.object);
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

  private putStatus(status: CheckpointStatus, { metadata }: CheckpointObject): Promise<CheckpointObject> {
    return this.context.client.applyStatus(CHECKPOINT, metadata, status);
  }

  private requested(object: CheckpointObject, step: Step): CheckpointStatus {
    const message = `${this.engine.name} checkpoints container ${this.namesOf(step)}`;
    const status = { ...this.base, containers: this.containers };
    return withPhase(object, status, "requested", "CheckpointInProgress", message, Date.now());
  }

  private begin(step: Step): void {
    const startTime = timeOf(Date.now());
    for (const index of step) this.update(index, { startTime });
  }

  private at(step: Step): readonly ContainerCheckpoint[] {
    return this.containers.filter((_, index) => step.includes(index));
  }

  private namesOf(step: Step): string {
    return this.at(step)
      .map(({ name }) => name)
      .join(", ");
  }

  private update(index: number, change: Partial<ContainerCheckpoint>): void {
    this.containers = this.containers.map((one, at) => (at === index ? { ...one, ...change } : one));
  }

  /** Returns the location of a container: the given one, or a sibling of it for each of several containers. */
  private locationOf(container: string, location: string): string {
    return this.containers.length === 1 ? location : `${location}-${container}`;
  }

  private doneBefore(step: Step): string {
    const done = this.containers.slice(0, step[0]).map(({ name }) => name);
    return done.length === 0 ? "" : `${done.join(", ")} done; `;
  }

  private completedMessage(): string {
    return `checkpointed ${this.containers.map(({ name }) => name).join(", ")}`;
  }

  /** Returns a container before its request. An image by digest is recorded if the engine keeps images in a restore. */
  private bare({ name, image, baseImage, restartCount }: SourceContainer): ContainerCheckpoint {
    const known = checkpointsPods(this.engine) && baseImage !== undefined ? { baseImage } : {};
    const restarts = restartCount === undefined ? {} : { restartCount };
    return { name, ...(image ? { image } : {}), ...restarts, ...known };
  }
}
