import type { RestoreStatus } from "../../api/checkpoint";
import { isTestFailed, type Client, type JsonPatchOperation } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";

/**
 * Writes or removes `status.restore`, if the Checkpoint still has the version that was read.
 * @returns the Checkpoint after the write; undefined if it has another version or was deleted
 */
export async function putRestore(
  client: Client,
  { metadata, status }: CheckpointObject,
  restore: RestoreStatus | undefined,
  timeoutMs?: number,
): Promise<CheckpointObject | undefined> {
  if (restore === undefined && status.restore === undefined) return undefined;
  const path = "/status/restore";
  const operations: JsonPatchOperation[] = [
    { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
    restore === undefined ? { op: "remove", path } : { op: "add", path, value: restore },
  ];
  try {
    return await client.jsonPatch(CHECKPOINT, metadata, operations, { subresource: "status", timeoutMs });
  } catch (error) {
    if (isTestFailed(error)) return undefined;
    throw error;
  }
}
