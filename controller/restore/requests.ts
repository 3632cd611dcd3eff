import type { Body, KubernetesClient } from "../../kube/client";
import type { RestoreStatus } from "../../api/checkpoint";
import { CHECKPOINT, projectCheckpoint, type CheckpointObject } from "../checkpoints/objects";
import { FIELD_MANAGER, isNotAsTested } from "../checkpoints/requests";
import { pathOf, type Json } from "../../kube/runtime";

type Client = Pick<KubernetesClient, "send">;

/**
 * Writes or takes away `status.restore`, if the Checkpoint is still of the version that was looked at.
 * @returns the Checkpoint as it is then; undefined if it is of another version, or gone
 */
export async function putRestore(
  client: Client,
  { metadata, status }: CheckpointObject,
  restore: RestoreStatus | undefined,
  timeoutMs?: number,
): Promise<CheckpointObject | undefined> {
  const { namespace, name, uid, resourceVersion } = metadata;
  if (restore === undefined && status.restore === undefined) return undefined;
  const path = "/status/restore";
  const content = [
    { op: "test", path: "/metadata/uid", value: uid },
    { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
    restore === undefined ? { op: "remove", path } : { op: "add", path, value: restore },
  ];
  const body: Body = { type: "application/json-patch+json", content };
  const query = { fieldManager: FIELD_MANAGER };
  try {
    const target = `${pathOf(CHECKPOINT, namespace, name)}/status`;
    return projectCheckpoint((await client.send("PATCH", target, body, { query, timeoutMs })) as Json);
  } catch (error) {
    if (isNotAsTested(error)) return undefined;
    throw error;
  }
}
