import { isOlder } from "../../kube/runtime";
import type { Context } from "../checkpoints/context";
import type { CedanaObject, CheckpointObject } from "../checkpoints/objects";
import { isOutdated, isRefused } from "../checkpoints/requests";
import type { Objects } from "../checkpoints/stores";
import { checkpointResult, makeCheckpoint } from "./checkpoint";
import { operationOf } from "./names";
import { failed, planRestore, restored, type Plan } from "./restore";
import { refusalOf, type CedanaWriter, type Result } from "./writer";

type Next = { readonly requeueAfterMs?: number } | void;

/** The watch tells of what made a write fail; this is for when it does not. */
const AGAIN_MS = 1000;
/** How often it is looked whether a pod can be restored into. */
const WAIT_MS = 5000;

/**
 * Acts upon Cedanas: a checkpoint by a Checkpoint of theirs, a restore by the engine. The method is set to Pending
 * before anything is begun that must not be begun twice, and to Done or Failed at its end.
 */
export class CedanaReconciler {
  /** Versions that were written here, by UID, until the store has them. */
  private readonly written = new Map<string, string>();
  /** It is not known whether a restore was set to Pending; the engine was surely not asked. */
  private readonly unasked = new Set<string>();

  constructor(
    private readonly context: Context,
    private readonly cedanas: Objects<CedanaObject>,
    private readonly checkpoints: Objects<CheckpointObject>,
    private readonly writer: CedanaWriter,
  ) {
    cedanas.onChange(({ old, new: now }) => {
      if (!old || now) return;
      this.written.delete(old.metadata.uid);
      this.unasked.delete(old.metadata.uid);
    });
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    const cedana = this.cedanas.get(key);
    if (!cedana || cedana.metadata.deletionTimestamp !== undefined) return;
    if (this.context.flights.has(cedana.metadata.uid) || this.isBehind(cedana)) return;
    try {
      return await this.look(cedana, signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      return { requeueAfterMs: AGAIN_MS };
    }
  }

  private look(cedana: CedanaObject, signal: AbortSignal): Promise<Next> | undefined {
    switch (cedana.spec.method) {
      case "Checkpoint":
        return this.beginCheckpoint(cedana);
      case "Restore":
        return this.beginRestore(cedana, signal);
      case "Pending":
        return this.follow(cedana, signal);
      default:
        return undefined;
    }
  }

  /** The Checkpoint is made first: whoever finds it made makes no second one. */
  private async beginCheckpoint(cedana: CedanaObject): Promise<Next> {
    let name: string;
    try {
      name = await makeCheckpoint(this.context, cedana);
    } catch (error) {
      const message = refusalOf(error);
      if (message === undefined) throw error;
      const result = {
        ready: false,
        reason: "CheckpointRefused",
        message,
        status: { checkpointDone: false },
      };
      return this.end(cedana, "Failed", result);
    }
    const pending = await this.writer.setMethod(cedana, "Pending", { is: "checkpoint", name });
    if (!pending) return { requeueAfterMs: AGAIN_MS };
    this.note(pending);
  }

  private async beginRestore(cedana: CedanaObject, signal: AbortSignal): Promise<Next> {
    const plan = await planRestore(this.context, this.checkpoints, cedana, signal);
    if (plan.is === "impossible") return this.end(cedana, "Failed", plan.result);
    if (plan.is === "waiting") {
      this.note(await this.writer.setStatus(cedana, plan.result));
      return { requeueAfterMs: WAIT_MS };
    }
    // No wait since the slot was seen to be free.
    const release = this.context.flights.reserve(plan.busy);
    const pending = await this.pending(cedana, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!pending) {
      release();
      return { requeueAfterMs: AGAIN_MS };
    }
    this.unasked.delete(cedana.metadata.uid);
    this.context.flights.track(this.fly(pending, plan, release));
  }

  /** @returns the object as it is Pending, or undefined if it has changed */
  private async pending(cedana: CedanaObject, signal: AbortSignal): Promise<CedanaObject | undefined> {
    if (cedana.spec.method === "Pending") return cedana;
    try {
      const pending = await this.writer.setMethod(cedana, "Pending", { is: "restore" });
      signal.throwIfAborted();
      if (pending) this.note(pending);
      return pending;
    } catch (error) {
      if (!isRefused(error)) this.unasked.add(cedana.metadata.uid);
      throw error;
    }
  }

  private async fly(cedana: CedanaObject, plan: Extract<Plan, { is: "ready" }>, release: () => void) {
    const result = await restored(this.context, plan);
    try {
      await this.writer.settle(cedana, result.ready ? "Done" : "Failed", result);
      this.tell(cedana, "Restore", result);
    } catch (error) {
      const { name, namespace } = cedana.metadata;
      this.context.log.error(
        { cedana: name, namespace, err: error },
        "what came of the restore is not written",
      );
    }
    release();
  }

  private async follow(cedana: CedanaObject, signal: AbortSignal): Promise<Next> {
    const operation = operationOf(cedana);
    if (operation === undefined) {
      const message = "nothing is under way for this object: set method to Checkpoint or Restore";
      return this.end(cedana, "Failed", { ready: false, reason: "NothingUnderWay", message, status: {} });
    }
    if (operation.is === "restore" && this.unasked.has(cedana.metadata.uid))
      return this.beginRestore(cedana, signal);
    if (operation.is === "restore") {
      const message =
        "the engine was asked and nobody knows what came of it: the controller that asked is gone";
      return this.end(cedana, "Failed", failed("OutcomeUnknown", message));
    }
    const { namespace } = cedana.metadata;
    const result = await checkpointResult(this.context, this.checkpoints, namespace, operation.name);
    const { ended, ...rest } = result;
    if (ended) return this.end(cedana, rest.ready ? "Done" : "Failed", rest);
    this.note(await this.writer.setStatus(cedana, rest));
  }

  /** The status is written first: a method that says it is over goes with a status that says the same. */
  private async end(cedana: CedanaObject, method: "Done" | "Failed", result: Result): Promise<Next> {
    const action =
      cedana.spec.method === "Restore" || "restoreDone" in result.status ? "Restore" : "Checkpoint";
    const ended = await this.writer.setMethod(await this.writer.setStatus(cedana, result), method);
    if (!ended) return { requeueAfterMs: AGAIN_MS };
    this.note(ended);
    this.tell(ended, action, result);
  }

  private tell(cedana: CedanaObject, action: string, { ready, reason, message }: Result): void {
    this.context.report.cedana(cedana, ready ? "Normal" : "Warning", reason, action, message);
  }

  private note({ metadata: { uid, resourceVersion } }: CedanaObject): void {
    this.written.set(uid, resourceVersion);
  }

  /** Whether the store does not have yet what was written here. The watch is going to bring it. */
  private isBehind({ metadata: { uid, resourceVersion } }: CedanaObject): boolean {
    const written = this.written.get(uid);
    if (written !== undefined && isOlder(resourceVersion, written)) return true;
    this.written.delete(uid);
    return false;
  }
}
