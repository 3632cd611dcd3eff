import { hasStatus, textAt, type Client, type Logger } from "../../../kube";
import { POD, type CheckpointObject } from "../../checkpoints/objects";
import type { PlanRestore } from "../../engines";
import { hasEnded, type RestoredPod } from "../pods";
import { NODE_RESTORE, nodeRestoreFor, type NodeRestoreObject } from "./objects";

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay until the watch reports what another read or write has found. */
const RETRY_MS = 1000;
/** How long the NodeRestore of a pod that ended is kept after its outcome, so that the outcome is recorded before. */
const KEEP_MS = 300_000;

export interface NodeRestoreReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly method: PlanRestore;
  /** Whether the pods of a namespace are cached. */
  readonly covers: (namespace: string) => boolean;
  readonly pod: (key: string) => RestoredPod | undefined;
  /** Returns the Checkpoint of the pod's label, if the pod may be restored from it. */
  readonly checkpoint: (pod: RestoredPod) => CheckpointObject | undefined;
  /** Returns the NodeRestores of a pod's key: also those of earlier pods of the name. */
  readonly requests: (podKey: string) => readonly NodeRestoreObject[];
  readonly log: Logger;
}

/** Requests the restore of pods from the agents of their nodes, by NodeRestores, and deletes those of deleted pods. */
export class NodeRestoreReconciler {
  constructor(private readonly options: NodeRestoreReconcilerOptions) {}

  /** Reconciles the NodeRestores of a pod. */
  async reconcile(podKey: string): Promise<Next> {
    const pod = this.options.pod(podKey);
    const requests = this.options.requests(podKey);
    let isLate = false;
    for (const request of requests) {
      if (request.metadata.name === pod?.metadata.uid) continue;
      if (!(await this.deleteOrphan(request))) isLate = true;
    }
    const retry = isLate ? { requeueAfterMs: RETRY_MS } : undefined;
    if (!pod) return retry;
    const own = requests.find(({ metadata }) => metadata.name === pod.metadata.uid);
    if (own) return (await this.deleteEnded(pod, own)) ?? retry;
    return (await this.create(pod)) ?? retry;
  }

  /** Creates the NodeRestore of a pod that has a node and holds the claim of its Checkpoint. */
  private async create(pod: RestoredPod): Promise<Next> {
    const { nodeName } = pod;
    const checkpoint = this.options.checkpoint(pod);
    if (nodeName === undefined || checkpoint === undefined || !mayRestore(pod, checkpoint)) return;
    const object = nodeRestoreFor({ ...pod, nodeName }, checkpoint, this.options.method);
    if (object === undefined) return;
    const { log, client } = this.options;
    try {
      await client.create(NODE_RESTORE, object);
    } catch (error) {
      // Its name is the pod's UID, so an existing one is the same request.
      if (hasStatus(error, 409)) return { requeueAfterMs: RETRY_MS };
      throw error;
    }
    const { namespace, name } = pod.metadata;
    log.info({ pod: name, namespace, node: nodeName, checkpoint: pod.checkpoint }, "restore requested");
  }

  /** Deletes the NodeRestore of a pod whose containers are not created again. */
  private async deleteEnded(pod: RestoredPod, { metadata, status }: NodeRestoreObject): Promise<Next> {
    const completedMs = Date.parse(status.completionTime ?? "");
    if (!hasEnded(pod) || !Number.isFinite(completedMs)) return;
    const leftMs = completedMs + KEEP_MS - Date.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    await this.options.client.delete(NODE_RESTORE, metadata);
  }

  /** @returns false if the pod exists, but the cache does not have it yet */
  private async deleteOrphan({ metadata, spec: { podRef } }: NodeRestoreObject): Promise<boolean> {
    const { client, covers, log } = this.options;
    if (!covers(podRef.namespace)) return true;
    const pod = await client.get(POD, podRef);
    if (textAt(pod, "metadata", "uid") === metadata.name) return false;
    await client.delete(NODE_RESTORE, metadata);
    log.info({ nodeRestore: metadata.name, pod: podRef.name, namespace: podRef.namespace }, "pod is gone");
    return true;
  }
}

/** Checks that the pod waits for a plan, and that no other pod is restored from the Checkpoint. */
function mayRestore(pod: RestoredPod, { status: { restore } }: CheckpointObject): boolean {
  if (pod.plan === undefined || pod.failed !== undefined || hasEnded(pod)) return false;
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  if (pod.shared) return restore?.state !== "Failed";
  return restore?.state === "Claimed" && restore.podUID === pod.metadata.uid;
}
