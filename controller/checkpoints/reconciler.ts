import type { CheckpointReason, CheckpointStatus } from "../../api/checkpoint";
import type { Engine } from "../engines";
import {
  isOutdated,
  isRejected,
  isTestFailed,
  type Objects,
  type PerKeyBackoff,
  type WorkQueue,
} from "../../kube";
import { engineName, engineOf, type Context } from "./context";
import { addFinalizer, finalize, hasFinalizer, removeFinalizer, wantsFinalizer } from "./deletion";
import { CHECKPOINT, POD, type CheckpointObject } from "./objects";
import { busyFor, podKeyOf } from "./occupancy";
import { Run } from "./run";
import { judgePod, type Verdict } from "./source-pod";
import { isFinished, phaseOf, readyOf, timeOf, withPhase } from "./state";
import type { Turns } from "./turns";

type Next = { readonly requeueAfterMs?: number } | void;
type Running = Extract<Verdict, { is: "running" }>;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const AGAIN_MS = 1000;

const LOST =
  "the checkpoint was requested but its outcome is unknown because the controller restarted; it is not retried";

/** Reconciles Checkpoint objects. */
export class CheckpointReconciler {
  /** UIDs whose write-ahead may have been done although the engine received no request. */
  private readonly unasked = new Set<string>();

  constructor(
    private readonly context: Context,
    private readonly objects: Objects<CheckpointObject>,
    private readonly backoff: PerKeyBackoff,
    private readonly turns: Turns,
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
      return { requeueAfterMs: AGAIN_MS };
    }
  }

  private async advance(object: CheckpointObject, signal: AbortSignal): Promise<Next> {
    if (object.metadata.deletionTimestamp !== undefined) return this.delete(object, signal);
    if (await this.keepFinalizer(object)) return;
    const { uid } = object.metadata;
    const phase = phaseOf(object.status);
    if (phase === "completed" || phase === "failed") return;
    if (phase === "asked" && !this.unasked.has(uid)) {
      if (this.resume(object)) return;
      return this.end(object, object.status, "OutcomeUnknown", LOST);
    }

    const requeueAfterMs = this.backoff.remainingMs(uid, Date.now());
    if (requeueAfterMs > 0) return { requeueAfterMs };
    const engine = engineOf(this.context, object);
    if (!engine) {
      const known = [...this.context.engines.keys()].join(", ");
      const message = `there is no engine ${engineName(this.context, object)}; there is ${known}`;
      return this.end(object, object.status, "EngineNotFound", message);
    }
    const { location } = object.spec;
    const { locations } = this.context.settings;
    if (location !== undefined && !isWithin(location, locations)) {
      const allowed = locations.length === 0 ? "none" : locations.join(", ");
      const message = `location ${location} is in no directory that engine.checkpoints.locations allows: ${allowed}`;
      return this.end(object, object.status, "LocationNotAllowed", message);
    }
    const { nodeName } = object.status;
    // The pod is read again only when it may be admitted: many Checkpoints may wait.
    if (nodeName !== undefined && !this.backoff.isWaiting(uid, Date.now())) {
      const admission = this.turns.admit(object, nodeName, Date.now());
      if (!admission.admitted) return this.wait(object, object.status, admission.message, admission.untilMs);
    }
    return this.take(object, engine, signal);
  }

  private async take(object: CheckpointObject, engine: Engine, signal: AbortSignal): Promise<Next> {
    const { metadata, spec, status } = object;
    const source = { namespace: metadata.namespace, name: spec.podRef.name };
    const pod = await this.context.client.get(POD, source, { signal });
    const verdict = judgePod(pod, spec, status.podUID ?? spec.podRef.uid);
    const known = { ...status, ...verdict.facts, engine: engine.name };
    if (verdict.is === "lost") return this.end(object, known, verdict.reason, verdict.message);
    if (verdict.is === "waiting") {
      const requeueAfterMs = this.backoff.poll(metadata.uid, Date.now());
      await this.wait(object, known, verdict.message);
      this.wake(object, verdict.facts.nodeName);
      return { requeueAfterMs };
    }
    this.backoff.endPolling(metadata.uid);
    const admission = this.turns.admit(object, verdict.facts.nodeName, Date.now());
    if (!admission.admitted) return this.wait(object, known, admission.message, admission.untilMs);
    await this.start(object, engine, verdict, signal);
  }

  /** Reserves the slot before the first await, so that no two Checkpoints get the same. */
  private async start(
    object: CheckpointObject,
    engine: Engine,
    pod: Running,
    signal: AbortSignal,
  ): Promise<void> {
    const { inFlight, occupancy, report } = this.context;
    const { uid } = object.metadata;
    occupancy.begun(uid);
    const release = inFlight.reserve({ ...busyFor(object), nodeName: pod.facts.nodeName });
    const run = new Run(this.context, object, engine, pod);
    try {
      await run.writeAhead();
      signal.throwIfAborted();
    } catch (error) {
      if (!isRejected(error)) this.unasked.add(uid);
      release();
      throw error;
    }
    this.unasked.delete(uid);
    if (object.spec.deletionPolicy === "Delete" && !engine.canDelete) {
      const note = `engine ${engine.name} cannot delete: the data stays when this object is deleted`;
      report.checkpoint(object, "Warning", "DeletionNotSupported", note);
    }
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
    const { inFlight, occupancy } = this.context;
    occupancy.begun(object.metadata.uid);
    const release = inFlight.reserve(busyFor(object));
    const facts = { podUID, nodeName, ...(owner && { owner }), ...(podTemplateHash && { podTemplateHash }) };
    const run = new Run(this.context, object, engine, { is: "running", facts, containers }, object.status);
    inFlight.track(this.finish(object, run, nodeName, release));
    return true;
  }

  private async finish(
    object: CheckpointObject,
    run: Run,
    nodeName: string,
    release: () => void,
  ): Promise<void> {
    const { log, occupancy } = this.context;
    const { uid, namespace, name } = object.metadata;
    let again = 0;
    try {
      if (await run.finish()) again = this.backoff.block(uid, Date.now());
      if (!run.isOutcomeUnknown) occupancy.ended(uid);
    } catch (error) {
      log.error({ checkpoint: name, namespace, err: error }, "checkpoint outcome not written");
    }
    release();
    this.wake(object, nodeName);
    // The object may have been deleted meanwhile, and its finalizer waits.
    this.queue.addAfter(`${namespace}/${name}`, again);
  }

  private async delete(object: CheckpointObject, signal: AbortSignal): Promise<void> {
    if (hasFinalizer(object)) await ignoringConflicts(() => finalize(this.context, object, signal));
  }

  /** @returns true if it was changed; the watch reports the change */
  private async keepFinalizer(object: CheckpointObject): Promise<boolean> {
    const wanted = wantsFinalizer(this.context, object);
    if (wanted === hasFinalizer(object)) return false;
    await ignoringConflicts(() => (wanted ? addFinalizer : removeFinalizer)(this.context, object));
    return true;
  }

  /** Ends the Checkpoint without the engine. */
  private async end(
    object: CheckpointObject,
    status: CheckpointStatus,
    reason: CheckpointReason,
    message: string,
  ): Promise<void> {
    const now = Date.now();
    const ended = {
      ...withPhase(object, status, "failed", reason, message, now),
      engine: engineName(this.context, object),
      completionTime: timeOf(now),
    };
    await this.context.client.applyStatus(CHECKPOINT, object.metadata, ended);
    this.context.report.ended(object, reason, message, ended);
  }

  private async wait(
    object: CheckpointObject,
    status: CheckpointStatus,
    message: string,
    untilMs?: number,
  ): Promise<Next> {
    const now = Date.now();
    const ready = readyOf(object.status);
    const same = ready?.message === message && object.status.nodeName === status.nodeName;
    if (!same) {
      const waiting = withPhase(object, status, "waiting", "Pending", message, now);
      await this.context.client.applyStatus(CHECKPOINT, object.metadata, waiting);
    }
    return untilMs === undefined ? undefined : { requeueAfterMs: Math.max(1, untilMs - now) };
  }

  /** Enqueues the Checkpoints that may be admitted now that a slot may be free. */
  private wake(object: CheckpointObject, nodeName = object.status.nodeName): void {
    for (const { metadata } of this.turns.next(podKeyOf(object), nodeName))
      this.queue.add(`${metadata.namespace}/${metadata.name}`);
  }

  private leave(object: CheckpointObject): void {
    const { uid } = object.metadata;
    this.backoff.reset(uid);
    this.unasked.delete(uid);
    if (!isFinished(object.status)) this.wake(object);
  }
}

/** Leaves a patch that no longer applies to the next reconcile. */
async function ignoringConflicts(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isTestFailed(error)) throw error;
  }
}

/** Checks the path prefix. The kind itself rejects `..` in a location. */
function isWithin(location: string, directories: readonly string[]): boolean {
  return directories.some((directory) => location.startsWith(`${directory}/`));
}
