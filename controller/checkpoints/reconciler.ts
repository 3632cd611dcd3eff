import type { CheckpointReason, CheckpointStatus } from "../../api/checkpoint";
import type { Engine } from "../engines";
import { isOlder } from "../../kube/runtime";
import type { WorkQueue } from "../../kube/runtime";
import { engineName, engineOf, type Context } from "./context";
import { addFinalizer, finalize, hasFinalizer, removeFinalizer, wantsFinalizer } from "./deletion";
import type { CheckpointObject } from "./objects";
import { busyFor, podKeyOf } from "./occupancy";
import type { Patience } from "./patience";
import { getPod, isNotAsTested, isOutdated, isRefused, putCheckpointStatus } from "./requests";
import { Run } from "./run";
import { judgePod, type Verdict } from "./source-pod";
import { isFinished, phaseOf, readyOf, timeOf, withPhase } from "./state";
import type { Objects } from "./stores";
import type { Turns } from "./turns";

type Next = { readonly requeueAfterMs?: number } | void;
type Running = Extract<Verdict, { is: "running" }>;

/** The watch tells of what made a write fail; this is for when it does not. */
const AGAIN_MS = 1000;

const LOST =
  "the engine was asked and nobody knows what came of it: the controller that asked is gone. It is not asked again";

/** Brings Checkpoints to their end. */
export class CheckpointReconciler {
  /** It is not known whether the write ahead was done; the engine was surely not asked. */
  private readonly unasked = new Set<string>();
  /** Versions that were written here, by UID, until the store has them. */
  private readonly written = new Map<string, string>();

  constructor(
    private readonly context: Context,
    private readonly objects: Objects<CheckpointObject>,
    private readonly patience: Patience,
    private readonly turns: Turns,
    private readonly queue: Pick<WorkQueue, "add" | "addAfter">,
  ) {
    objects.onChange(({ old, new: now }) => {
      if (old && (!now || isFinished(now.status))) this.leave(old);
      if (old && !now) this.written.delete(old.metadata.uid);
    });
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    const object = this.objects.get(key);
    if (!object || this.context.flights.has(object.metadata.uid) || this.isBehind(object)) return;
    try {
      return await this.look(object, signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      return { requeueAfterMs: AGAIN_MS };
    }
  }

  private async look(object: CheckpointObject, signal: AbortSignal): Promise<Next> {
    if (object.metadata.deletionTimestamp !== undefined) return this.delete(object, signal);
    if (await this.keepFinalizer(object)) return;
    const { uid } = object.metadata;
    const phase = phaseOf(object.status);
    if (phase === "completed" || phase === "failed") return;
    if (phase === "asked" && !this.unasked.has(uid)) {
      if (this.resume(object)) return;
      return this.end(object, object.status, "OutcomeUnknown", LOST);
    }

    const requeueAfterMs = this.patience.remainingMs(uid, Date.now());
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
    // Asked again only when it is this one's turn: many may wait.
    if (nodeName !== undefined && !this.patience.has(uid, Date.now())) {
      const admission = this.turns.admit(object, nodeName, Date.now());
      if (!admission.admitted) return this.wait(object, object.status, admission.message, admission.untilMs);
    }
    return this.take(object, engine, signal);
  }

  private async take(object: CheckpointObject, engine: Engine, signal: AbortSignal): Promise<Next> {
    const { metadata, spec, status } = object;
    const pod = await getPod(this.context.client, metadata.namespace, spec.podRef.name, signal);
    const verdict = judgePod(pod, spec, status.podUID ?? spec.podRef.uid);
    const known = { ...status, ...verdict.facts, engine: engine.name };
    if (verdict.is === "lost") return this.end(object, known, verdict.reason, verdict.message);
    if (verdict.is === "waiting") {
      const requeueAfterMs = this.patience.forPod(metadata.uid, Date.now());
      await this.wait(object, known, verdict.message);
      this.wake(object, verdict.facts.nodeName);
      return { requeueAfterMs };
    }
    this.patience.podRuns(metadata.uid);
    const admission = this.turns.admit(object, verdict.facts.nodeName, Date.now());
    if (!admission.admitted) return this.wait(object, known, admission.message, admission.untilMs);
    await this.start(object, engine, verdict, signal);
  }

  /** The slot is taken before anything is waited for, so that no two get the same. */
  private async start(
    object: CheckpointObject,
    engine: Engine,
    pod: Running,
    signal: AbortSignal,
  ): Promise<void> {
    const { flights, occupancy, report } = this.context;
    const { uid } = object.metadata;
    occupancy.begun(uid);
    const release = flights.reserve({ ...busyFor(object), nodeName: pod.facts.nodeName });
    const run = new Run(this.context, object, engine, pod);
    try {
      await run.writeAhead();
      signal.throwIfAborted();
    } catch (error) {
      if (!isRefused(error)) this.unasked.add(uid);
      release();
      throw error;
    }
    this.unasked.delete(uid);
    if (object.spec.deletionPolicy === "Delete" && !engine.canDelete) {
      const note = `engine ${engine.name} cannot delete: the data stays when this object is deleted`;
      report.checkpoint(object, "Warning", "DeletionNotSupported", note);
    }
    flights.track(this.fly(object, run, pod.facts.nodeName, release));
  }

  /**
   * Asks an engine again for what another process asked it, if to the engine that is no second question.
   * @returns false if it is
   */
  private resume(object: CheckpointObject): boolean {
    const engine = engineOf(this.context, object);
    const { podUID, nodeName, owner, podTemplateHash, containers = [] } = object.status;
    if (!engine?.canResume || podUID === undefined || nodeName === undefined || containers.length === 0)
      return false;
    const { flights, occupancy } = this.context;
    occupancy.begun(object.metadata.uid);
    const release = flights.reserve(busyFor(object));
    const facts = { podUID, nodeName, ...(owner && { owner }), ...(podTemplateHash && { podTemplateHash }) };
    const run = new Run(this.context, object, engine, { is: "running", facts, containers }, object.status);
    flights.track(this.fly(object, run, nodeName, release));
    return true;
  }

  private async fly(
    object: CheckpointObject,
    run: Run,
    nodeName: string,
    release: () => void,
  ): Promise<void> {
    const { log, occupancy } = this.context;
    const { uid, namespace, name } = object.metadata;
    let again = 0;
    try {
      if (await run.finish()) again = this.patience.forEngine(uid, Date.now());
      if (!run.isOutcomeUnknown) occupancy.ended(uid);
    } catch (error) {
      log.error({ checkpoint: name, namespace, err: error }, "what came of the checkpoint is not written");
    }
    if (this.objects.get(`${namespace}/${name}`)?.metadata.uid === uid)
      this.written.set(uid, run.resourceVersion);
    release();
    this.wake(object, nodeName);
    // The object may be deleted by now, and wait for its data to be.
    this.queue.addAfter(`${namespace}/${name}`, again);
  }

  /** Whether the store does not have yet what was written here. The watch is going to bring it. */
  private isBehind({ metadata: { uid, resourceVersion } }: CheckpointObject): boolean {
    const written = this.written.get(uid);
    if (written !== undefined && isOlder(resourceVersion, written)) return true;
    this.written.delete(uid);
    return false;
  }

  private async delete(object: CheckpointObject, signal: AbortSignal): Promise<void> {
    if (hasFinalizer(object)) await untilTested(() => finalize(this.context, object, signal));
  }

  /** @returns true if it was changed: the watch tells of it */
  private async keepFinalizer(object: CheckpointObject): Promise<boolean> {
    const wanted = wantsFinalizer(this.context, object);
    if (wanted === hasFinalizer(object)) return false;
    await untilTested(() => (wanted ? addFinalizer : removeFinalizer)(this.context, object));
    return true;
  }

  /** Comes to an end without the engine. */
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
    await putCheckpointStatus(this.context.client, object, ended);
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
      const { client } = this.context;
      await putCheckpointStatus(
        client,
        object,
        withPhase(object, status, "waiting", "Pending", message, now),
      );
    }
    return untilMs === undefined ? undefined : { requeueAfterMs: Math.max(1, untilMs - now) };
  }

  /** A slot may be free: those whose turn it may be are looked at. */
  private wake(object: CheckpointObject, nodeName = object.status.nodeName): void {
    for (const { metadata } of this.turns.next(podKeyOf(object), nodeName))
      this.queue.add(`${metadata.namespace}/${metadata.name}`);
  }

  private leave(object: CheckpointObject): void {
    const { uid } = object.metadata;
    this.patience.forget(uid);
    this.unasked.delete(uid);
    if (!isFinished(object.status)) this.wake(object);
  }
}

/** A patch that does not apply any more is left to the next look. */
async function untilTested(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isNotAsTested(error)) throw error;
  }
}

/** The kind itself refuses `..` in a location. */
function isWithin(location: string, directories: readonly string[]): boolean {
  return directories.some((directory) => location.startsWith(`${directory}/`));
}
