import { isOutdated, isRejected, type Objects } from "../../kube";
import type { Context } from "../checkpoints/context";
import type { CedanaObject, CheckpointObject } from "../checkpoints/objects";
import { checkpointResult, createCheckpoint } from "./checkpoint";
import { failed, planRestore, requestRestore, type Plan } from "./restore";
import { operationOf, rejectionOf, type CedanaWriter, type Result } from "./writer";

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const RETRY_MS = 1000;
/** Interval of checks whether the pod can be restored. */
const WAIT_MS = 5000;

/**
 * Reconciles Cedanas: a checkpoint by a Checkpoint that the Cedana owns, a restore by the engine. The method is set to
 * Pending before an operation that must not be repeated, and to Done or Failed at its end.
 */
export class CedanaReconciler {
  /** UIDs whose method may be Pending although the engine received no request. */
  private readonly notRequested = new Set<string>();

  constructor(
    private readonly context: Context,
    private readonly cedanas: Objects<CedanaObject>,
    private readonly checkpoints: Objects<CheckpointObject>,
    private readonly writer: CedanaWriter,
  ) {
    cedanas.onChange(({ old, new: now }) => {
      if (old && !now) this.notRequested.delete(old.metadata.uid);
    });
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    const cedana = this.cedanas.get(key);
    if (!cedana || cedana.metadata.deletionTimestamp !== undefined) return;
    if (this.context.inFlight.has(cedana.metadata.uid)) return;
    try {
      return await this.advance(cedana, signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      return { requeueAfterMs: RETRY_MS };
    }
  }

  private advance(cedana: CedanaObject, signal: AbortSignal): Promise<Next> | undefined {
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

  /** Creates the Checkpoint first: its name is the same in each attempt. */
  private async beginCheckpoint(cedana: CedanaObject): Promise<Next> {
    let name: string;
    try {
      name = await createCheckpoint(this.context, cedana);
    } catch (error) {
      const message = rejectionOf(error);
      if (message === undefined) throw error;
      const result = {
        ready: false,
        reason: "CheckpointRejected",
        message,
        status: { checkpointDone: false },
      };
      return this.end(cedana, "Failed", result);
    }
    const pending = await this.writer.setMethod(cedana, "Pending", { is: "checkpoint", name });
    if (!pending) return { requeueAfterMs: RETRY_MS };
  }

  private async beginRestore(cedana: CedanaObject, signal: AbortSignal): Promise<Next> {
    const plan = await planRestore(this.context, this.checkpoints, cedana, signal);
    if (plan.is === "impossible") return this.end(cedana, "Failed", plan.result);
    if (plan.is === "pending") {
      await this.writer.setStatus(cedana, plan.result);
      return { requeueAfterMs: WAIT_MS };
    }
    // No await since the slot was free: no other restore can reserve it.
    const release = this.context.inFlight.reserve(plan.reservation);
    const pending = await this.pending(cedana, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!pending) {
      release();
      return { requeueAfterMs: RETRY_MS };
    }
    this.notRequested.delete(cedana.metadata.uid);
    this.context.inFlight.track(this.restore(pending, plan, release));
  }

  /** Sets the method to Pending. @returns the object after that, or undefined if it has changed */
  private async pending(cedana: CedanaObject, signal: AbortSignal): Promise<CedanaObject | undefined> {
    if (cedana.spec.method === "Pending") return cedana;
    try {
      const pending = await this.writer.setMethod(cedana, "Pending", { is: "restore" });
      signal.throwIfAborted();
      return pending;
    } catch (error) {
      if (!isRejected(error)) this.notRequested.add(cedana.metadata.uid);
      throw error;
    }
  }

  private async restore(cedana: CedanaObject, plan: Extract<Plan, { is: "ready" }>, release: () => void) {
    const result = await requestRestore(this.context, plan);
    try {
      await this.writer.settle(cedana, result.ready ? "Done" : "Failed", result);
      this.report(cedana, "Restore", result);
    } catch (error) {
      const { name, namespace } = cedana.metadata;
      this.context.log.error({ cedana: name, namespace, err: error }, "restore outcome not written");
    }
    release();
  }

  private async follow(cedana: CedanaObject, signal: AbortSignal): Promise<Next> {
    const operation = operationOf(cedana);
    if (operation === undefined) {
      const message = "no operation is in flight: set method to Checkpoint or Restore";
      return this.end(cedana, "Failed", { ready: false, reason: "NoOperation", message, status: {} });
    }
    if (operation.is === "restore" && this.notRequested.has(cedana.metadata.uid))
      return this.beginRestore(cedana, signal);
    if (operation.is === "restore") {
      const message = "the restore was requested but its outcome is unknown because the controller restarted";
      return this.end(cedana, "Failed", failed("OutcomeUnknown", message));
    }
    const { namespace } = cedana.metadata;
    const result = await checkpointResult(this.context, this.checkpoints, namespace, operation.name);
    const { ended, ...rest } = result;
    if (ended) return this.end(cedana, rest.ready ? "Done" : "Failed", rest);
    await this.writer.setStatus(cedana, rest);
  }

  /** Writes the status first, so that the final method never appears without it. */
  private async end(cedana: CedanaObject, method: "Done" | "Failed", result: Result): Promise<Next> {
    const action =
      cedana.spec.method === "Restore" || "restoreDone" in result.status ? "Restore" : "Checkpoint";
    const ended = await this.writer.setMethod(await this.writer.setStatus(cedana, result), method);
    if (!ended) return { requeueAfterMs: RETRY_MS };
    this.report(ended, action, result);
  }

  private report(cedana: CedanaObject, action: string, { ready, reason, message }: Result): void {
    this.context.report.cedana(cedana, ready ? "Normal" : "Warning", reason, action, message);
  }
}
