import type { PolicyFailure } from "../../api";
import type { Client, Logger } from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { timeOf } from "../checkpoints/state";
import type { Progress } from "../restore/outcome/progress";
import { judge, type RunningSince, type Verdict } from "./judge";
import { SANDBOX_POD, type SandboxObject } from "./objects";
import { recordOutcome } from "./record";
import type { Report } from "./report";

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay until the watch reports what was written. */
const RETRY_MS = 1000;

export interface SandboxReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly pod: (key: string) => SandboxObject | undefined;
  /** Returns the Checkpoint that the sandbox pod is of. */
  readonly checkpoint: (pod: SandboxObject) => CheckpointObject | undefined;
  /** Returns the progress of its restore. */
  readonly progress: (pod: SandboxObject, checkpoint: CheckpointObject | undefined) => Progress;
  readonly report: Report;
  /** Called when a verification has ended, with the failure if it did not succeed. */
  readonly ended: (policyUID: string, failure?: Omit<PolicyFailure, "time">) => void;
  readonly log: Logger;
}

/**
 * Follows sandbox pods. The outcome is written to the Checkpoint, with the UID of the sandbox pod, before the pod is deleted: a
 * process that starts in between finds the one or the other, and ends what is left.
 */
export class SandboxReconciler {
  /** By the UID of the sandbox pod. */
  private readonly since = new Map<string, RunningSince>();
  /** UIDs of sandbox pods whose outcome is known, until they are deleted. */
  private readonly known = new Set<string>();

  constructor(private readonly options: SandboxReconcilerOptions) {}

  podDeleted(uid: string): void {
    this.since.delete(uid);
    this.known.delete(uid);
  }

  async reconcile(key: string): Promise<Next> {
    const pod = this.options.pod(key);
    if (!pod) return;
    const { uid } = pod.metadata;
    const checkpoint = this.options.checkpoint(pod);
    if (this.known.has(uid) || checkpoint?.status.lastVerified?.podUID === uid) return this.delete(pod);
    const { settings } = pod;
    if (settings === undefined) {
      this.options.log.warn({ pod: key }, "sandbox pod without settings that this version can read: deleted");
      return this.delete(pod);
    }
    const progress = this.options.progress(pod, checkpoint);
    const nowMs = Date.now();
    const step = judge({ ...pod, settings }, progress, nowMs, this.since.get(uid));
    if (step.is === "wait") {
      this.since.set(uid, step.runningSinceMs);
      return { requeueAfterMs: Math.max(1, step.untilMs - nowMs) };
    }
    const { is: _is, ...verdict } = step;
    if (checkpoint) await this.record(pod, checkpoint, settings.policy, verdict);
    this.known.add(uid);
    const { namespace } = pod.metadata;
    const { reason, message } = verdict;
    const failure = {
      namespace,
      pod: settings.pod,
      reason,
      message: `Checkpoint ${pod.requested}: ${message}`,
    };
    this.options.ended(pod.policyUID, verdict.outcome === "Verified" ? undefined : failure);
    return this.delete(pod);
  }

  private async record(
    { metadata, policyUID, nodeName }: SandboxObject,
    checkpoint: CheckpointObject,
    policy: string,
    verdict: Verdict,
  ): Promise<void> {
    const result = await recordOutcome(this.options.client, checkpoint, {
      time: timeOf(Date.now()),
      ...verdict,
      policyUID,
      podName: metadata.name,
      podUID: metadata.uid,
      ...(nodeName === undefined ? {} : { nodeName }),
    });
    if (result !== "known") this.options.report.ended(checkpoint, policy, verdict);
  }

  private async delete({ metadata }: SandboxObject): Promise<Next> {
    if (metadata.deletionTimestamp !== undefined) return;
    await this.options.client.delete(SANDBOX_POD, metadata);
    // Its deletion may have been lost with the watch.
    return { requeueAfterMs: RETRY_MS };
  }
}
