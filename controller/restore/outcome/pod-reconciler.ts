import { RECORD, REQUEST, type CheckpointReason, type RestoreState, type RestoreStatus } from "../../../api";
import { isTestFailed, pointer, type Client, type JsonPatchOperation } from "../../../kube";
import { putRestore } from "../claims";
import { CHECKPOINT, type CheckpointObject } from "../../checkpoints/objects";
import { phaseOf, timeOf, withPhase } from "../../checkpoints/state";
import { NO_DECISION } from "./unanswered";
import { planProgress, type NodeRestoreObject } from "../plan";
import { RESTORED_POD, hasEnded, isRequested, type RestoredPod } from "../pods";
import type { Cause, FailureCause, Outcome } from "../reasons";
import type { Report } from "../report";

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const RETRY = { requeueAfterMs: 1000 };
/** Maximum age of skipped pods that are reported, so that a new leader does not report them again. */
const REPORT_AGE_MS = 300_000;
/** Maximum length of a message in the status; the kind allows 4096. */
const MAX_MESSAGE = 4000;
/** Maximum length of the reason in an annotation. */
const MAX_ANNOTATION = 1024;

export interface PodReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly pod: (key: string) => RestoredPod | undefined;
  /** Returns the Checkpoint of the pod's label, if the pod may be restored from it. */
  readonly checkpoint: (pod: RestoredPod) => CheckpointObject | undefined;
  /** Returns the Checkpoints of a pod, by the pod's UID. */
  readonly checkpointsOf: (podUID: string) => readonly CheckpointObject[];
  /** Returns the NodeRestore of a pod, by the pod's UID. */
  readonly nodeRestore: (podUID: string) => NodeRestoreObject | undefined;
  readonly report: Report;
}

/** Follows pods that were admitted to be restored until the outcome is known. */
export class PodReconciler {
  /** Since when the outcome is missing, by the pod's UID (ms, monotonic clock). */
  private readonly silent = new Map<string, number>();
  /** Reported outcomes, by the pod's UID. */
  private readonly reported = new Map<string, Set<Outcome>>();

  constructor(private readonly options: PodReconcilerOptions) {}

  /** Drops what is known about a deleted pod. */
  podDeleted(uid: string): void {
    this.silent.delete(uid);
    this.reported.delete(uid);
  }

  async reconcile(key: string): Promise<Next> {
    const pod = this.options.pod(key);
    // The controller of verifications follows it: a failure is no failure of the restores of other pods.
    if (!pod || pod.isSandbox) return;
    if (pod.from === undefined) return this.skipped(pod);
    if (pod.failed !== undefined || pod.plan === undefined) return;
    const checkpoint = this.options.checkpoint(pod);
    const holds = await this.holds(pod, checkpoint);
    if (holds === "unknown") return RETRY;
    if (holds === "no") return this.lost(pod, checkpoint);
    const request = this.options.nodeRestore(pod.metadata.uid);
    const own = this.options.checkpointsOf(pod.metadata.uid);
    const progress = planProgress(pod, request, checkpoint !== undefined, own);
    if (progress.is !== "silent") this.silent.delete(pod.metadata.uid);
    switch (progress.is) {
      case "restored":
        return this.restored(pod, checkpoint);
      case "failed":
        // A Checkpoint that is new may not be cached.
        if (progress.cause === "CheckpointDeleted" && (await this.exists(pod))) return RETRY;
        return this.failed(pod, checkpoint, progress);
      case "silent": {
        const requeueAfterMs = this.leftMs(pod, progress.graceMs);
        if (requeueAfterMs > 0) return { requeueAfterMs };
        return this.unknown(pod, checkpoint, progress.message);
      }
      default:
        return;
    }
  }

  /** Returns the rest of the grace period, which begins with the first call in a row. */
  private leftMs({ metadata: { uid } }: RestoredPod, graceMs: number): number {
    const sinceMs = this.silent.get(uid) ?? performance.now();
    this.silent.set(uid, sinceMs);
    return sinceMs + graceMs - performance.now();
  }

  /**
   * Checks whether the Checkpoint is claimed for this pod. The claim of its admission is bound to it. Without a claim the webhook
   * did not decide, and a user wrote the records of the pod.
   */
  private async holds(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
  ): Promise<"yes" | "no" | "unknown"> {
    // No other pod can be restored from a deleted one.
    if (pod.shared || checkpoint === undefined) return "yes";
    const hasRequest = this.options.nodeRestore(pod.metadata.uid) !== undefined;
    const owner = ownership(pod, checkpoint, hasRequest);
    if (owner === "bound") return "yes";
    if (owner === "free") return (await this.write(pod, checkpoint, "Claimed")) ? "yes" : "unknown";
    // Pods and Checkpoints have separate watches: the one of Checkpoints may be late.
    const live = await this.options.client.get(CHECKPOINT, checkpoint.metadata);
    if (live?.metadata.uid !== checkpoint.metadata.uid) return "yes";
    return ownership(pod, live, hasRequest) === "other" ? "no" : "unknown";
  }

  /** Checks whether the Checkpoint exists that the pod was admitted with. */
  private async exists(pod: RestoredPod): Promise<boolean> {
    const { namespace } = pod.metadata;
    const live = await this.options.client.get(CHECKPOINT, { namespace, name: pod.checkpoint });
    return live !== undefined && live.metadata.uid === pod.from && isRequested(pod, live);
  }

  private async restored(pod: RestoredPod, checkpoint: CheckpointObject | undefined): Promise<Next> {
    const { restore } = checkpoint?.status ?? {};
    if (checkpoint && !pod.shared) {
      // Unknown: its agent reported late.
      if (restore?.state !== "Claimed" && restore?.state !== "Unknown") return;
      const found =
        phaseOf(checkpoint.status) === "missing"
          ? conditionsFor(checkpoint, "completed", "CheckpointCompleted", "its artifact was found again")
          : undefined;
      if (!(await this.write(pod, checkpoint, "Restored", undefined, found))) return RETRY;
    }
    this.report(
      pod,
      checkpoint,
      ["restored", "None"],
      "Restored",
      `resumed from Checkpoint ${pod.checkpoint}`,
    );
  }

  /** Handles a pod that runs, but may have started with or without the checkpoint. */
  private async unknown(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
    reason: string,
  ): Promise<Next> {
    if (checkpoint && !pod.shared) {
      if (checkpoint.status.restore?.state !== "Claimed") return;
      if (!(await this.write(pod, checkpoint, "Unknown", reason))) return RETRY;
    }
    const note = `whether it resumed from Checkpoint ${pod.checkpoint} is unknown: ${reason}`;
    this.report(pod, checkpoint, ["unknown", "NotReported"], "RestoreOutcomeUnknown", note);
  }

  /** Marks the Checkpoint first, so that no other pod is restored from it even after a crash. */
  private async failed(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
    { message: reason, cause }: { readonly message: string; readonly cause: FailureCause },
  ): Promise<Next> {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    if (checkpoint && checkpoint.status.restore?.state !== "Failed")
      if (!(await this.write(pod, checkpoint, "Failed", reason, missingFor(checkpoint, cause, reason))))
        return RETRY;
    const failure = `restore from Checkpoint ${pod.checkpoint} failed: ${reason}`;
    if (pod.fallback === "stop") {
      const remedy = `The pod is not changed (${REQUEST.fallback}: stop). To start it fresh, recreate it without ${REQUEST.from}; to retry, remove status.restore of the Checkpoint and delete the pod`;
      return this.report(pod, checkpoint, ["stopped", cause], "RestoreFailed", `${failure}. ${remedy}`);
    }
    if (hasEnded(pod))
      return this.report(
        pod,
        checkpoint,
        ["fellBack", cause],
        "RestoreFailed",
        `${failure}. The next pod of its owner starts fresh`,
      );
    if (!(await fallBack(this.options.client, pod, reason))) return RETRY;
    this.report(pod, checkpoint, ["fellBack", cause], "RestoreFellBack", `${failure}. It starts fresh`);
  }

  /** Handles a pod that has no claim, or whose Checkpoint is claimed by another one: it must not be restored too. */
  private async lost(pod: RestoredPod, checkpoint: CheckpointObject | undefined): Promise<Next> {
    const isFree = checkpoint?.status.restore === undefined;
    const claimed = isFree ? "is not claimed for this pod" : "was claimed by another pod";
    const reason = `Checkpoint ${pod.checkpoint} ${claimed}`;
    if (pod.fallback === "fresh" && !hasEnded(pod))
      if (!(await fallBack(this.options.client, pod, reason))) return RETRY;
    const then =
      pod.fallback === "fresh" ? "It starts fresh" : `The pod is not changed (${REQUEST.fallback}: stop)`;
    this.report(pod, undefined, ["lost", "ClaimLost"], "RestoreClaimLost", `${reason}. ${then}`);
  }

  private skipped(pod: RestoredPod): void {
    if (Date.now() - Date.parse(pod.metadata.creationTimestamp) > REPORT_AGE_MS) return;
    this.report(
      pod,
      undefined,
      ["skipped", pod.skipped === NO_DECISION ? "NoDecision" : "None"],
      "RestoreSkipped",
      `starts fresh: ${pod.skipped ?? "unknown reason"}`,
    );
  }

  private report(
    pod: RestoredPod,
    checkpoint: CheckpointObject | undefined,
    [outcome, cause]: readonly [Outcome, Cause],
    reason: string,
    note: string,
  ): void {
    const { uid, name } = pod.metadata;
    const reported = this.reported.get(uid) ?? new Set();
    if (reported.has(outcome)) return;
    this.reported.set(uid, reported.add(outcome));
    const { report } = this.options;
    const type = outcome === "restored" ? "Normal" : "Warning";
    report.ended(outcome, cause, pod, note);
    report.pod(pod, type, reason, note);
    if (checkpoint) report.checkpoint(checkpoint, type, reason, `pod ${name} ${note}`);
  }

  /** @returns false if the Checkpoint has changed meanwhile */
  private async write(
    pod: RestoredPod,
    checkpoint: CheckpointObject,
    state: RestoreState,
    reason?: string,
    conditions?: CheckpointObject["status"]["conditions"],
  ): Promise<boolean> {
    const { name: podName, uid: podUID } = pod.metadata;
    const restore: RestoreStatus = {
      state,
      ...(pod.claim === undefined ? {} : { claim: pod.claim }),
      podName,
      podUID,
      time: timeOf(Date.now()),
      ...(reason === undefined ? {} : { message: reason.slice(0, MAX_MESSAGE) }),
    };
    return (await putRestore(this.options.client, checkpoint, restore, { conditions })) !== undefined;
  }
}

/** Returns the conditions of a Checkpoint whose artifact the node did not find; undefined for another cause. */
function missingFor(checkpoint: CheckpointObject, cause: FailureCause, reason: string) {
  return cause === "CheckpointMissing"
    ? conditionsFor(checkpoint, "missing", "ImageNotFound", reason)
    : undefined;
}

function conditionsFor(
  checkpoint: CheckpointObject,
  phase: "completed" | "missing",
  reason: CheckpointReason,
  message: string,
) {
  return withPhase(checkpoint, checkpoint.status, phase, reason, message, Date.now()).conditions;
}

/**
 * Checks whether the claim on a Checkpoint is bound to the pod, can be bound to it, or is of another pod.
 * @param hasRequest whether the restore was requested: then the claim was bound to it, and a user has removed it
 */
function ownership(
  pod: RestoredPod,
  { status: { restore } }: CheckpointObject,
  hasRequest: boolean,
): "bound" | "free" | "other" {
  if (restore === undefined) return hasRequest ? "free" : "other";
  const { state, claim, podUID } = restore;
  if (podUID === pod.metadata.uid) return "bound";
  return state === "Claimed" && claim !== undefined && claim === pod.claim ? "free" : "other";
}

/**
 * Removes the announcement of a plan from the pod: its containers then start without a checkpoint.
 * @returns false if the pod was deleted or has changed since it was read
 */
async function fallBack(client: Client, { metadata, plan }: RestoredPod, reason: string): Promise<boolean> {
  const annotation = pointer("metadata", "annotations", RECORD.failed);
  const planned = pointer("metadata", "annotations", RECORD.plan);
  const withoutPlan: JsonPatchOperation[] =
    plan === undefined
      ? []
      : [
          { op: "test", path: planned, value: plan },
          { op: "remove", path: planned },
        ];
  try {
    await client.jsonPatch(RESTORED_POD, metadata, [
      ...withoutPlan,
      { op: "add", path: annotation, value: reason.slice(0, MAX_ANNOTATION) },
    ]);
    return true;
  } catch (error) {
    if (isTestFailed(error)) return false;
    throw error;
  }
}
