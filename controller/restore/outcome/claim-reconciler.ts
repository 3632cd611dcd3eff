import type { RestoreStatus } from "../../../api";
import { RESTORED_FROM } from "../../../api";
import { POD, type CheckpointObject } from "../../checkpoints/objects";
import { timeOf } from "../../checkpoints/state";
import { textAt, type Client, type Logger } from "../../../kube";
import { RESTORED_POD } from "../pods";
import { podMissing, putRestore } from "../claims";
import type { Report } from "../report";

type Next = { readonly requeueAfterMs?: number } | void;

/**
 * How long a claim without a pod is kept: the API server ends a request after 60 s (--request-timeout), so no pod is
 * created after that. Counted from when this process first observed the claim.
 */
const CLAIM_MS = 65_000;
const RETRY_MS = 5000;
/** Maximum number of deleted pods that are remembered. */
const MAX_DELETED = 10_000;

export interface ClaimReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly checkpoint: (key: string) => CheckpointObject | undefined;
  /** Checks whether the cache has the pod, by UID. */
  readonly exists: (podUID: string) => boolean;
  readonly report: Pick<Report, "checkpoint">;
  readonly log: Logger;
}

/** A claim without a pod. Times in ms, by the monotonic clock. */
interface Podless {
  readonly claim: string;
  /** When it was first observed. */
  readonly sinceMs: number;
  /** When the first claim was observed, of those that followed each other without a pod. */
  readonly firstMs: number;
}

/** Releases claims without a pod, and records the outcome of those whose pod was deleted. */
export class ClaimReconciler {
  /** By the key of the Checkpoint. */
  private readonly seen = new Map<string, Podless>();
  /** Keys of Checkpoints whose claims without a pod were reported. */
  private readonly reported = new Set<string>();
  /** Deleted pods that had not started. */
  private readonly unstarted = new Set<string>();

  constructor(private readonly options: ClaimReconcilerOptions) {}

  /** Records that a pod was deleted, as last observed. */
  podDeleted(podUID: string, hadRun: boolean): void {
    if (hadRun) return;
    this.unstarted.add(podUID);
    const [oldest] = this.unstarted.size > MAX_DELETED ? this.unstarted : [];
    if (oldest !== undefined) this.unstarted.delete(oldest);
  }

  async reconcile(key: string): Promise<Next> {
    const checkpoint = this.options.checkpoint(key);
    const { restore } = checkpoint?.status ?? {};
    if (checkpoint && restore?.state === "Claimed" && restore.podUID === undefined)
      return this.withoutPod(key, checkpoint, restore);
    this.seen.delete(key);
    if (checkpoint && restore?.state === "PodMissing") {
      if (restore.attempts?.freshAt !== undefined) this.reportPodless(key, checkpoint);
      return;
    }
    // A claim that is released can be followed by another one without a pod.
    if (!checkpoint || restore !== undefined) this.reported.delete(key);
    if (checkpoint && restore?.state === "Claimed" && restore.podUID !== undefined)
      return this.withPod(checkpoint, restore, restore.podUID);
  }

  private async withoutPod(
    key: string,
    checkpoint: CheckpointObject,
    { claim = "", podName, attempts }: RestoreStatus,
  ): Promise<Next> {
    const { namespace, uid, name } = checkpoint.metadata;
    const id = `${uid} ${claim}`;
    const known = this.seen.get(key);
    const nowMs = performance.now();
    const sinceMs = known?.claim === id ? known.sinceMs : nowMs;
    const firstMs = known?.firstMs ?? nowMs;
    this.seen.set(key, { claim: id, sinceMs, firstMs });
    if (nowMs - firstMs >= CLAIM_MS) this.reportPodless(key, checkpoint);
    const leftMs = sinceMs + CLAIM_MS - nowMs;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    // The watch may be late: read from the API server.
    const labelSelector = `${RESTORED_FROM}=${uid}`;
    const pods = await this.options.client.list(RESTORED_POD, { namespace, labelSelector });
    if (pods.some((pod) => pod.claim === claim)) return { requeueAfterMs: RETRY_MS };
    // The attempts of an owner outlive the claim.
    const next = attempts && podMissing({ claim, attempts, ...(podName === undefined ? {} : { podName }) });
    if (!(await putRestore(this.options.client, checkpoint, next))) return { requeueAfterMs: RETRY_MS };
    this.seen.delete(key);
    this.options.log.info({ checkpoint: name, namespace, claim }, "claim released: no pod was created");
  }

  /** Reports that admitted pods were not created, once until one is. */
  private reportPodless(key: string, checkpoint: CheckpointObject): void {
    if (this.reported.has(key)) return;
    this.reported.add(key);
    const { podName, state, message } = checkpoint.status.restore ?? {};
    const pod = podName === undefined ? "a pod" : `pod ${podName}`;
    const cause = "a policy, a quota or another webhook may reject it: see the events of its owner";
    const note =
      state === "PodMissing" && message !== undefined
        ? message
        : `${pod} was admitted to be restored from it, but is not created; ${cause}`;
    this.options.report.checkpoint(checkpoint, "Warning", "RestorePodMissing", note);
  }

  private async withPod(checkpoint: CheckpointObject, restore: RestoreStatus, podUID: string): Promise<Next> {
    const { namespace, name } = checkpoint.metadata;
    if (this.options.exists(podUID)) return;
    const pod = await this.options.client.get(POD, { namespace, name: restore.podName ?? "" });
    if (textAt(pod, "metadata", "uid") === podUID) return { requeueAfterMs: RETRY_MS };
    const message = "the pod was deleted; whether it had resumed from the checkpoint is unknown";
    const unknown = { ...restore, state: "Unknown", message, time: timeOf(Date.now()) } as const;
    const next = this.unstarted.has(podUID) ? undefined : unknown;
    if (!(await putRestore(this.options.client, checkpoint, next))) return { requeueAfterMs: RETRY_MS };
    this.unstarted.delete(podUID);
    this.options.log.info(
      { checkpoint: name, namespace, state: next?.state ?? "released" },
      "pod of a claim was deleted",
    );
  }
}
