import type { KubernetesClient } from "../../../kube/client";
import type { RestoreStatus } from "../../../api/checkpoint";
import { RESTORED_FROM } from "../../../api/restore";
import type { CheckpointObject } from "../../checkpoints/objects";
import { getPod } from "../../checkpoints/requests";
import { timeOf } from "../../checkpoints/state";
import { itemsAt, pathOf, textAt, type Json, type Logger } from "../../../kube/runtime";
import { POD, projectPod } from "../pods";
import { putRestore } from "../requests";

type Next = { readonly requeueAfterMs?: number } | void;

/**
 * How long a claim without a pod is kept: the API server gives a request up after 60 s (--request-timeout), so no pod comes
 * of it after that. Counted from when this process first saw the claim, which is later than it was made.
 */
export const CLAIM_MS = 65_000;
const AGAIN_MS = 5000;
/** What is remembered of pods that are gone. */
const REMEMBERED = 10_000;

export interface ClaimReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Pick<KubernetesClient, "send">;
  readonly checkpoint: (key: string) => CheckpointObject | undefined;
  /** Whether the pod is there, by UID, as the watch has told. */
  readonly isThere: (podUID: string) => boolean;
  readonly log: Logger;
}

/** Takes claims away of which no pod came, and says what became of those whose pod is gone. */
export class ClaimReconciler {
  /** When a claim was first seen, by the process' own clock. */
  private readonly seen = new Map<string, number>();
  /** Pods that are gone, and whether they had begun from the checkpoint. */
  private readonly departed = new Map<string, boolean>();

  constructor(private readonly options: ClaimReconcilerOptions) {}

  /** A pod is gone, as it was last seen. */
  gone(podUID: string, hadRun: boolean): void {
    this.departed.set(podUID, hadRun);
    const [oldest] = this.departed.size > REMEMBERED ? this.departed.keys() : [];
    if (oldest !== undefined) this.departed.delete(oldest);
  }

  async reconcile(key: string): Promise<Next> {
    const checkpoint = this.options.checkpoint(key);
    const { restore } = checkpoint?.status ?? {};
    if (!checkpoint || restore?.state !== "Claimed") {
      this.seen.delete(checkpoint?.metadata.uid ?? "");
      return;
    }
    return restore.podUID === undefined
      ? this.withoutPod(checkpoint, restore)
      : this.withPod(checkpoint, restore, restore.podUID);
  }

  private async withoutPod(checkpoint: CheckpointObject, { claim = "" }: RestoreStatus): Promise<Next> {
    const { namespace, uid, name } = checkpoint.metadata;
    const id = `${uid} ${claim}`;
    const sinceMs = this.seen.get(id) ?? performance.now();
    this.seen.set(id, sinceMs);
    const leftMs = sinceMs + CLAIM_MS - performance.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    // The watch may be late: the API server itself is asked.
    const query = { labelSelector: `${RESTORED_FROM}=${uid}` };
    const list = (await this.options.client.send("GET", pathOf(POD, namespace), undefined, {
      query,
    })) as Json;
    if (itemsAt(list, "items").some((pod) => projectPod(pod).claim === claim))
      return { requeueAfterMs: AGAIN_MS };
    if (!(await putRestore(this.options.client, checkpoint, undefined))) return { requeueAfterMs: AGAIN_MS };
    this.seen.delete(id);
    this.options.log.info({ checkpoint: name, namespace, claim }, "claim released: no pod came of it");
  }

  private async withPod(checkpoint: CheckpointObject, restore: RestoreStatus, podUID: string): Promise<Next> {
    const { namespace, name } = checkpoint.metadata;
    if (this.options.isThere(podUID)) return;
    const pod = await getPod(this.options.client, namespace, restore.podName ?? "");
    if (textAt(pod, "metadata", "uid") === podUID) return { requeueAfterMs: AGAIN_MS };
    const hadRun = this.departed.get(podUID);
    const message = hadRun ? "the pod is gone" : "the pod is gone, and nobody saw whether it had begun";
    const state = hadRun ? "Restored" : "Unknown";
    const next =
      hadRun === false ? undefined : ({ ...restore, state, message, time: timeOf(Date.now()) } as const);
    if (!(await putRestore(this.options.client, checkpoint, next))) return { requeueAfterMs: AGAIN_MS };
    this.departed.delete(podUID);
    this.options.log.info(
      { checkpoint: name, namespace, state: next?.state ?? "released" },
      "pod of a claim is gone",
    );
  }
}
