import type { RestoreAttempts, RestoreStatus } from "../../api";
import { isTestFailed, type Client, type JsonPatchOperation } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { timeOf } from "../checkpoints/state";

/** Reserves a Checkpoint for a pod. */
export interface Claim {
  /** UID of the admission request. */
  readonly id: string;
  /** Name of the pod, unless the API server generates it. */
  readonly podName?: string;
  /** Those of the owner in a row, including this one. */
  readonly attempts?: RestoreAttempts;
}

/**
 * Claims Checkpoints for pods that are admitted, and releases such claims. These are the only writes of replicas without the
 * Lease, because each replica serves the webhook. A claim applies only to the version of the Checkpoint that the decision was
 * based on, so that one of two concurrent claims is rejected.
 */
export class Claims {
  constructor(private readonly client: Client) {}

  /** Claims a Checkpoint. @returns it with the claim, or undefined if it has changed since it was read */
  async claim(
    checkpoint: CheckpointObject,
    { id, podName, attempts }: Claim,
    timeoutMs: number,
  ): Promise<CheckpointObject | undefined> {
    const restore = {
      state: "Claimed",
      claim: id,
      ...(podName === undefined ? {} : { podName }),
      ...(attempts === undefined ? {} : { attempts }),
      time: timeOf(Date.now()),
    } as const;
    return putRestore(this.client, checkpoint, restore, { timeoutMs });
  }

  /**
   * Records that a pod is admitted without a checkpoint, because pods that were to be restored were not created.
   * @returns false if the Checkpoint has changed since it was read
   */
  async recordFresh(
    checkpoint: CheckpointObject,
    id: string,
    { attempts, message }: { readonly attempts: RestoreAttempts; readonly message: string },
    timeoutMs: number,
  ): Promise<boolean> {
    const missing = podMissing({ claim: id, attempts, message });
    return (await putRestore(this.client, checkpoint, missing, { timeoutMs })) !== undefined;
  }

  /**
   * Releases the claim of an admission whose pod is not restored after all. Leaves any other claim as it is. Attempts before this
   * one stay.
   */
  async release(checkpoint: CheckpointObject, id: string, timeoutMs: number): Promise<void> {
    const { restore } = checkpoint.status;
    if (restore?.state !== "Claimed" || restore.claim !== id || restore.podUID !== undefined) return;
    const { attempts } = restore;
    const before =
      attempts === undefined || attempts.count <= 1
        ? undefined
        : podMissing({ attempts: { ...attempts, count: attempts.count - 1 } });
    await putRestore(this.client, checkpoint, before, { timeoutMs });
  }
}

/** Returns the state of a Checkpoint whose claims have no pod. Other pods can claim it. */
export function podMissing(
  fields: Pick<RestoreStatus, "attempts" | "claim" | "podName" | "message">,
): RestoreStatus {
  const message = "no pod was created for its claim: a policy, a quota or another webhook may reject it";
  return { state: "PodMissing", message, ...fields, time: timeOf(Date.now()) };
}

/**
 * Writes or removes `status.restore`, if the Checkpoint still has the version that was read.
 * @param options.conditions those of the Checkpoint from now on. Undefined: they stay
 * @returns the Checkpoint after the write; undefined if it has another version or was deleted
 */
export async function putRestore(
  client: Client,
  { metadata, status }: CheckpointObject,
  restore: RestoreStatus | undefined,
  {
    timeoutMs,
    conditions,
  }: { readonly timeoutMs?: number; readonly conditions?: CheckpointObject["status"]["conditions"] } = {},
): Promise<CheckpointObject | undefined> {
  if (restore === undefined && status.restore === undefined) return undefined;
  const path = "/status/restore";
  const operations: JsonPatchOperation[] = [
    { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
    restore === undefined ? { op: "remove", path } : { op: "add", path, value: restore },
    ...(conditions === undefined
      ? []
      : [{ op: "add" as const, path: "/status/conditions", value: conditions }]),
  ];
  try {
    return await client.jsonPatch(CHECKPOINT, metadata, operations, { subresource: "status", timeoutMs });
  } catch (error) {
    if (isTestFailed(error)) return undefined;
    throw error;
  }
}
