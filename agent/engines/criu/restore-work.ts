import {
  NODE_RESTORE as NAMES,
  type NodeRestoreReason,
  type NodeRestoreSpec,
  type NodeRestoreStatus,
} from "../../../api";
import { isFinished, withConditions, type Request, type Work } from "../../work";
import type { CriuContext } from "./context";
import { NODE_RESTORE, reportOf, type NodeRestoreObject } from "./node-restores";
import { RestoreJob } from "./restore-job";
import { retried } from "./service";

/**
 * Restores of pods by the service of the node. They need no journal: the service knows what is staged and planned for a pod, and
 * each request to it can be repeated.
 */
export class CriuRestoreWork implements Work<NodeRestoreSpec, NodeRestoreStatus> {
  readonly kind = NAMES.kind;
  readonly isFinished: (status: NodeRestoreStatus) => boolean = isFinished;
  /** A job lasts until the containers of its pod were created. Pulls have their own limit. */
  readonly maxConcurrent = Infinity;
  /** NodeRestores that were deleted, while the node may still have the plan, by UID. */
  private readonly orphans = new Map<string, Request>();

  constructor(
    private readonly context: CriuContext,
    private readonly isKnown: (podUID: string) => boolean,
    private readonly stop: AbortSignal,
  ) {}

  async load(): Promise<void> {}

  started(): readonly Request[] {
    return [...this.orphans.values()];
  }

  requestOf({ metadata: { uid, name } }: NodeRestoreObject): Request {
    return { uid, name, subject: `pod ${name}` };
  }

  job({ uid, name }: Request): RestoreJob {
    const discarded = () => void this.orphans.delete(uid);
    return new RestoreJob(this.context, { id: { uid, name }, discarded, stop: this.stop });
  }

  deleted(object: NodeRestoreObject): void {
    const request = this.requestOf(object);
    this.orphans.set(request.uid, request);
  }

  /**
   * Finds plans whose NodeRestores were deleted while the agent did not run. Waits until the service of the node is available.
   * The decision about a pod without a plan is kept: without it, a later plan would restore a pod that runs.
   *
   * @throws the signal's reason
   */
  async findOrphans(): Promise<void> {
    const { node, times, log } = this.context;
    const { plans, stagings } = await retried(
      () => node.state(this.stop),
      times.backoffMs,
      this.stop,
      (error, attempt) => {
        log.warn({ err: error, attempt }, "cannot read the plans of the node; retrying");
        return true;
      },
    );
    const planned = plans.filter(({ checkpoint }) => checkpoint !== undefined);
    for (const { podUID } of [...planned, ...stagings]) {
      const uid = `plan of ${podUID}`;
      if (!this.isKnown(podUID)) this.orphans.set(uid, { uid, name: podUID, subject: `pod ${podUID}` });
    }
  }

  reportWaiting(object: NodeRestoreObject, message: string): Promise<boolean> {
    const report = reportOf("Pending", message);
    const status = withConditions<NodeRestoreReason, NodeRestoreStatus>(object, {}, report);
    return this.context.client.applyStatus(NODE_RESTORE, object.metadata, status).then(
      () => true,
      () => false,
    );
  }
}
