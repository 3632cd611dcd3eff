import type { CheckpointEndReason, CheckpointStatus } from "../../api";
import { checkpointsPods, type Engine } from "../engines";
import { isOutdated, isRejected, type Objects, type PerKeyBackoff, type WorkQueue } from "../../kube";
import { engineName, engineOf, type Context } from "./context";
import { isFinished, phaseOf, readyOf, timeOf, withPhase } from "./state";
import { CHECKPOINT, POD, checkSourcePod, type CheckpointObject, type SourcePodState } from "./objects";
import { isImported, putRecord } from "./record";
import { CheckpointRun } from "./run";
import { podKeyOf, reservationOf } from "./reservations";
import type { Admission, CheckpointScheduler } from "./scheduler";
import type { WaitingOrder } from "./waiting-order";

type Next = { readonly requeueAfterMs?: number } | void;
type Running = Extract<SourcePodState, { is: "running" }>;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const RETRY_MS = 1000;

const OUTCOME_UNKNOWN =
  "the checkpoint was requested but its outcome is unknown because the controller restarted; it is not retried";

/** Reconciles Checkpoint objects. */
export class CheckpointReconciler {
  /** UIDs whose request may be recorded although the engine received none. */
  private readonly notRequested = new Set<string>();

  constructor(
    private readonly context: Context,
    private readonly objects: Objects<CheckpointObject>,
    private readonly backoff: PerKeyBackoff,
    private readonly order: WaitingOrder,
    private readonly scheduler: CheckpointScheduler,
    private readonly queue: Pick<WorkQueue, "add" | "addAfter">,
  ) {
    objects.onChange(({ old, new: now }) => {
      if (old && (!now || isFinished(now.status))) this.leave(old);
    });
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    const object = this.objects.get(key);
    if (!object || this.context.inFlight.has(object.metadata.uid)) return;
    try {
      return await this.advance(object, signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      return { requeueAfterMs: RETRY_MS };
    }
  }

  private async advance(object: CheckpointObject, signal: AbortSignal): Promise<Next> {
    if (object.metadata.deletionTimestamp !== undefined) return;
    const { uid } = object.metadata;
    if (isFinished(object.status)) return;
    if (isImported(object)) return this.adopt(object);
    const phase = phaseOf(object.status);
    if (phase === "requested" && !this.notRequested.has(uid)) {
      if (this.resume(object)) return;
      return this.end(object, object.status, "OutcomeUnknown", OUTCOME_UNKNOWN);
    }

    const requeueAfterMs = this.backoff.remainingMs(uid, Date.now());
    if (requeueAfterMs > 0) return { requeueAfterMs };
    if (Date.now() >= this.waitEndMs(object)) return this.endWait(object);
    // Its delay after a failure has passed.
    this.reorder(object);
    const engine = engineOf(this.context, object);
    if (!engine) {
      const known = [...this.context.engines.keys()].join(", ");
      const message = `engine ${engineName(this.context, object)} does not exist; available: ${known}`;
      return this.end(object, object.status, "EngineNotFound", message);
    }
    const { location } = object.spec;
    const { locations } = this.context.settings;
    if (location !== undefined && !isWithin(location, locations)) {
      const allowed = locations.length === 0 ? "none" : locations.join(", ");
      const message = `location ${location} is not allowed by engine.checkpoints.locations: ${allowed}`;
      return this.end(object, object.status, "LocationNotAllowed", message);
    }
    const { nodeName } = object.status;
    // The pod is read again only when it may be admitted: many Checkpoints may wait.
    if (nodeName !== undefined && !this.backoff.isWaiting(uid, Date.now())) {
      const admission = this.scheduler.admit(object, nodeName, Date.now());
      if (!admission.admitted) return this.waitForSlot(object, object.status, admission);
    }
    return this.take(object, engine, signal);
  }

  private async take(object: CheckpointObject, engine: Engine, signal: AbortSignal): Promise<Next> {
    const { metadata, spec, status } = object;
    const key = { namespace: metadata.namespace, name: spec.podRef.name };
    const pod = await this.context.client.get(POD, key, { signal });
    const source = checkSourcePod(pod, spec, status.podUID ?? spec.podRef.uid, checkpointsPods(engine));
    const known = { ...status, ...source.facts, engine: engine.name };
    if (source.is === "lost") return this.end(object, known, source.reason, source.message);
    if (source.is === "pending") {
      const requeueAfterMs = this.backoff.poll(metadata.uid, Date.now());
      this.reorder(object);
      await this.wait(object, known, source.message);
      this.wake(object, source.facts.nodeName);
      return { requeueAfterMs };
    }
    this.backoff.endPolling(metadata.uid);
    this.reorder(object);
    const admission = this.scheduler.admit(object, source.facts.nodeName, Date.now());
    if (!admission.admitted) return this.waitForSlot(object, known, admission);
    await this.start(object, engine, source, signal);
  }

  /** Reserves the slot before the first await, so that no two Checkpoints get the same. */
  private async start(
    object: CheckpointObject,
    engine: Engine,
    pod: Running,
    signal: AbortSignal,
  ): Promise<void> {
    const { inFlight, reservations } = this.context;
    const { uid } = object.metadata;
    reservations.begin(uid);
    const release = inFlight.reserve({ ...reservationOf(object), nodeName: pod.facts.nodeName });
    this.order.served(pod.facts.nodeName, object.metadata.namespace);
    const run = new CheckpointRun(this.context, object, engine, pod);
    try {
      await run.writeAhead();
      signal.throwIfAborted();
    } catch (error) {
      if (!isRejected(error)) this.notRequested.add(uid);
      release();
      throw error;
    }
    this.notRequested.delete(uid);
    run.onLate = () => this.late(object, pod.facts.nodeName);
    inFlight.track(this.finish(object, run, pod.facts.nodeName, release));
  }

  /**
   * Repeats the request of an earlier process, if the engine treats it as the same request.
   * @returns false if it does not
   */
  private resume(object: CheckpointObject): boolean {
    const engine = engineOf(this.context, object);
    const { podUID, nodeName, owner, podTemplateHash, containers = [] } = object.status;
    if (!engine?.canResume || podUID === undefined || nodeName === undefined || containers.length === 0)
      return false;
    const { inFlight, reservations } = this.context;
    reservations.begin(object.metadata.uid);
    const release = inFlight.reserve(reservationOf(object));
    const facts = { podUID, nodeName, ...(owner && { owner }), ...(podTemplateHash && { podTemplateHash }) };
    const run = new CheckpointRun(
      this.context,
      object,
      engine,
      { is: "running", facts, containers },
      object.status,
    );
    run.onLate = () => this.late(object, nodeName);
    inFlight.track(this.finish(object, run, nodeName, release));
    return true;
  }

  private async finish(
    object: CheckpointObject,
    run: CheckpointRun,
    nodeName: string,
    release: () => void,
  ): Promise<void> {
    const { log, reservations } = this.context;
    const { uid, namespace, name } = object.metadata;
    let retryMs = 0;
    try {
      if (await run.finish()) {
        retryMs = this.backoff.block(uid, Date.now());
        this.reorder(object);
      }
      if (!run.isOutcomeUnknown) reservations.end(uid);
    } catch (error) {
      log.error({ checkpoint: name, namespace, err: error }, "checkpoint outcome not written");
    }
    release();
    this.wake(object, nodeName);
    // Changes of the object while the request was in flight were not reconciled.
    this.queue.addAfter(`${namespace}/${name}`, retryMs);
  }

  /** Releases the slot of the node, but not the pod, of a request that continues beyond the engine's timeout. */
  private late(object: CheckpointObject, nodeName: string): void {
    if (this.context.inFlight.late(object.metadata.uid)) this.wake(object, nodeName);
  }

  /** Gives an object from a backup the status of its record. Takes no checkpoint: it would replace the saved one. */
  private async adopt(object: CheckpointObject): Promise<void> {
    const { checkpointUID, result } = object.record ?? {};
    if (result === undefined) {
      const message = `the object is from a backup of Checkpoint ${checkpointUID}, which had no result; create another Checkpoint`;
      return this.end(object, object.status, "CheckpointLost", message);
    }
    const message = `from a backup of Checkpoint ${checkpointUID}`;
    const now = Date.now();
    const status = withPhase(object, result, "completed", "CheckpointCompleted", message, now);
    await this.context.client.applyStatus(CHECKPOINT, object.metadata, status);
    this.context.report.imported(object, message);
  }

  /** Ends the Checkpoint without the engine. */
  private async end(
    object: CheckpointObject,
    status: CheckpointStatus,
    reason: CheckpointEndReason,
    message: string,
  ): Promise<void> {
    const { client, log } = this.context;
    const recorded = object.record === undefined ? await putRecord(client, log, object) : object;
    const now = Date.now();
    const ended = {
      ...withPhase(recorded, status, "failed", reason, message, now),
      engine: engineName(this.context, object),
      completionTime: timeOf(now),
    };
    await client.applyStatus(CHECKPOINT, recorded.metadata, ended);
    this.context.report.ended(object, reason, message, ended);
  }

  private async waitForSlot(
    object: CheckpointObject,
    status: CheckpointStatus,
    { message, untilMs, before = [] }: Extract<Admission, { admitted: false }>,
  ): Promise<Next> {
    await this.wait(object, status, message);
    for (const one of before) this.enqueue(one);
    const endMs = this.waitEndMs(object);
    return { requeueAfterMs: Math.max(1, Math.min(untilMs ?? endMs, endMs) - Date.now()) };
  }

  /** Until when the Checkpoint may wait for its start, ms since the epoch. */
  private waitEndMs({ metadata }: CheckpointObject): number {
    return Date.parse(metadata.creationTimestamp) + this.context.settings.waitSeconds * 1000;
  }

  private async wait(object: CheckpointObject, status: CheckpointStatus, message: string): Promise<void> {
    const now = Date.now();
    const ready = readyOf(object.status);
    const same = ready?.message === message && object.status.nodeName === status.nodeName;
    if (!same) {
      const waiting = withPhase(object, status, "pending", "Pending", message, now);
      await this.context.client.applyStatus(CHECKPOINT, object.metadata, waiting);
    }
  }

  /** Enqueues the Checkpoints that may be admitted now that a slot may be free. */
  private wake(object: CheckpointObject, nodeName = object.status.nodeName): void {
    for (const one of this.scheduler.next(podKeyOf(object), nodeName, Date.now())) this.enqueue(one);
  }

  /** Updates the place of a Checkpoint, in its current version, after a change of its backoff. */
  private reorder({ metadata: { namespace, name, uid } }: CheckpointObject): void {
    const now = this.objects.get(`${namespace}/${name}`);
    if (now?.metadata.uid === uid) this.order.refresh(now);
  }

  private enqueue({ metadata: { namespace, name } }: CheckpointObject): void {
    this.queue.add(`${namespace}/${name}`);
  }

  /** Ends a Checkpoint that has waited for too long, with what it waited for. */
  private endWait(object: CheckpointObject): Promise<void> {
    const { waitSeconds } = this.context.settings;
    const last = readyOf(object.status)?.message;
    const message = `not started within checkpoints.waitSeconds (${waitSeconds})${last === undefined ? "" : `: ${last}`}`;
    return this.end(object, object.status, "DeadlineExceeded", message);
  }

  private leave(object: CheckpointObject): void {
    const { uid } = object.metadata;
    this.backoff.reset(uid);
    this.notRequested.delete(uid);
    if (!isFinished(object.status)) this.wake(object);
  }
}

/** Checks the path prefix. The kind itself rejects `..` in a location. */
function isWithin(location: string, directories: readonly string[]): boolean {
  return directories.some((directory) => location.startsWith(`${directory}/`));
}
