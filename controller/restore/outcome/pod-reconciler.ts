import type { RestoreState, RestoreStatus } from "../../../api/checkpoint";
import { REQUEST } from "../../../api/restore";
import type { Client } from "../../../kube";
import { CHECKPOINT, type CheckpointObject } from "../../checkpoints/objects";
import { timeOf } from "../../checkpoints/state";
import type { RestoredPod } from "../pods";
import type { Outcome, Report } from "../report";
import { putRestore } from "../restore-status";
import { fallBack } from "./fallback";
import { progressOf } from "./progress";

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const AGAIN = { requeueAfterMs: 1000 };
/** Age up to which skipped pods are reported, so that not each new leader reports them again. */
const NEWS_MS = 300_000;
/** Of a status; the kind allows 4096. */
const LONGEST = 4000;

export interface PodReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly pod: (key: string) => RestoredPod | undefined;
  readonly checkpoint: (uid: string) => CheckpointObject | undefined;
  readonly report: Report;
}

/** Follows pods that were admitted to be restored until the outcome is known. */
export class PodReconciler {
  /** Since when a pod fails, by UID, by the monotonic clock. */
  private readonly failing = new Map<string, number>();
  /** Outcomes that were reported, by the UID of the pod. */
  private readonly reported = new Map<string, Set<Outcome>>();

  constructor(private readonly options: PodReconcilerOptions) {}

  forget(uid: string): void {
    this.failing.delete(uid);
    this.reported.delete(uid);
  }

  async reconcile(key: string): Promise<Next> {
    const pod = this.options.pod(key);
    if (!pod) return;
    if (pod.from === undefined) return this.skipped(pod);
    if (pod.failed !== undefined) return;
    const checkpoint = this.options.checkpoint(pod.from);
    const holds = await this.holds(pod, checkpoint);
    if (holds === "unknown") return AGAIN;
    if (holds === "no") return this.lost(pod);
    const progress = progressOf(pod);
    const { uid } = pod.metadata;
    if (progress.is !== "failing") this.failing.delete(uid);
    switch (progress.is) {
      case "restored":
        return this.restored(pod, checkpoint);
      case "failed":
        return this.failed(pod, checkpoint, progress.message);
      case "failing": {
        const sinceMs = this.failing.get(uid) ?? performance.now();
        this.failing.set(uid, sinceMs);
        const leftMs = sinceMs + progress.patienceMs - performance.now();
        if (leftMs > 0) return { requeueAfterMs: leftMs };
        return this.failed(pod, checkpoint, progress.message);
      }
      default:
        return;
    }
  }

  /** Checks whether the Checkpoint is claimed for this pod. A claim without a pod is bound to this one. */
  private async holds(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
  ): Promise<"yes" | "no" | "unknown"> {
    // No other pod can be restored from a deleted one.
    if (pod.shared || checkpoint === undefined) return "yes";
    const whose = ownership(pod, checkpoint);
    if (whose === "tied") return "yes";
    if (whose === "free") return (await this.write(pod, checkpoint, "Claimed")) ? "yes" : "unknown";
    // Pods and Checkpoints have separate watches: that of Checkpoints may be late.
    const live = await this.options.client.get(CHECKPOINT, checkpoint.metadata);
    if (live?.metadata.uid !== checkpoint.metadata.uid) return "yes";
    return ownership(pod, live) === "other" ? "no" : "unknown";
  }

  private async restored(pod: RestoredPod, checkpoint: CheckpointObject | undefined): Promise<Next> {
    const { restore } = checkpoint?.status ?? {};
    if (checkpoint && !pod.shared) {
      if (restore?.state !== "Claimed") return;
      if (!(await this.write(pod, checkpoint, "Restored"))) return AGAIN;
    }
    this.report(pod, checkpoint, "restored", "Restored", `goes on from Checkpoint ${pod.checkpoint}`);
  }

  /** Marks the Checkpoint first: whatever happens to the pod then, no other is restored from it. */
  private async failed(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
    why: string,
  ): Promise<Next> {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    if (checkpoint && checkpoint.status.restore?.state !== "Failed")
      if (!(await this.write(pod, checkpoint, "Failed", why))) return AGAIN;
    const said = `not restored from Checkpoint ${pod.checkpoint}: ${why}`;
    if (pod.fallback === "stop") {
      const next = `It is left as it is (${REQUEST.fallback}: stop). To start it fresh, make it anew without ${REQUEST.from}; to try again, take status.restore of the Checkpoint away and delete the pod`;
      return this.report(pod, checkpoint, "stopped", "RestoreFailed", `${said}. ${next}`);
    }
    if (pod.phase === "Failed" || pod.phase === "Succeeded")
      return this.report(
        pod,
        checkpoint,
        "fellBack",
        "RestoreFailed",
        `${said}. The next pod of its owner starts fresh`,
      );
    if (!(await fallBack(this.options.client, pod, why))) return AGAIN;
    this.report(pod, checkpoint, "fellBack", "RestoreFellBack", `${said}. It starts fresh`);
  }

  /** Another pod has the Checkpoint: this one must not be restored from it too. */
  private async lost(pod: RestoredPod): Promise<Next> {
    const why = `Checkpoint ${pod.checkpoint} was given to another pod meanwhile`;
    if (progressOf(pod).is === "own") return;
    if (pod.fallback === "fresh" && pod.phase !== "Failed" && pod.phase !== "Succeeded")
      if (!(await fallBack(this.options.client, pod, why))) return AGAIN;
    const then =
      pod.fallback === "fresh" ? "It starts fresh" : `It is left as it is (${REQUEST.fallback}: stop)`;
    this.report(pod, undefined, "lost", "RestoreClaimLost", `${why}. ${then}`);
  }

  private skipped(pod: RestoredPod): void {
    if (Date.now() - Date.parse(pod.metadata.creationTimestamp) > NEWS_MS) return;
    this.report(
      pod,
      undefined,
      "skipped",
      "RestoreSkipped",
      `starts fresh: ${pod.skipped ?? "no reason was kept"}`,
    );
  }

  private report(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
    outcome: Outcome,
    reason: string,
    note: string,
  ): void {
    const { uid, name } = pod.metadata;
    const reported = this.reported.get(uid) ?? new Set();
    if (reported.has(outcome)) return;
    this.reported.set(uid, reported.add(outcome));
    const { report } = this.options;
    const type = outcome === "restored" ? "Normal" : "Warning";
    report.ended(outcome);
    report.pod(pod, type, reason, note);
    if (checkpoint) report.checkpoint(checkpoint, type, reason, `pod ${name} ${note}`);
  }

  /** @returns false if the Checkpoint has changed meanwhile */
  private async write(
    pod: RestoredPod,
    checkpoint: CheckpointObject,
    state: RestoreState,
    why?: string,
  ): Promise<boolean> {
    const { name: podName, uid: podUID } = pod.metadata;
    const restore: RestoreStatus = {
      state,
      ...(pod.claim === undefined ? {} : { claim: pod.claim }),
      podName,
      podUID,
      time: timeOf(Date.now()),
      ...(why === undefined ? {} : { message: why.slice(0, LONGEST) }),
    };
    return (await putRestore(this.options.client, checkpoint, restore)) !== undefined;
  }
}

/** Checks whether the claim on a Checkpoint is bound to the pod, can be bound to it, or is of another pod. */
function ownership(pod: RestoredPod, { status: { restore } }: CheckpointObject): "tied" | "free" | "other" {
  if (restore === undefined) return "free";
  const { state, claim, podName, podUID } = restore;
  if (podUID === pod.metadata.uid) return "tied";
  // Only one of two pods of one name exists: the other, which was never seen restored, was deleted.
  const isClaimed = claim === pod.claim || podName === pod.metadata.name;
  return state === "Claimed" && isClaimed ? "free" : "other";
}
