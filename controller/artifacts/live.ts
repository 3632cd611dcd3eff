import { RESTORED_FROM } from "../../api";
import { hasStatus, rawKind, textAt, type Client } from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { RESTORED_POD } from "../restore/pods";
import type { Uses } from "./uses";

const NAMESPACE = rawKind("v1", "Namespace", "namespaces");

/**
 * Reads from the API server which pod waits to be restored from a Checkpoint. The caches of `Uses` may lack a pod that was admitted
 * just now, and those of a namespace that the controller could not read.
 * @returns the pod, for people; undefined if there is none
 * @throws errors of the requests
 */
export async function liveUser(
  client: Pick<Client, "list" | "get">,
  uses: Uses,
  { metadata: { namespace, uid } }: CheckpointObject,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!uses.hasRestores) return undefined;
  try {
    const labelSelector = `${RESTORED_FROM}=${uid}`;
    return uses.waiting(await client.list(RESTORED_POD, { namespace, labelSelector, signal }));
  } catch (error) {
    // In a namespace that is deleted, the RoleBinding may be gone. No pod starts in it any more.
    if (hasStatus(error, 403) && (await isTerminating(client, namespace, signal))) return undefined;
    throw error;
  }
}

async function isTerminating(
  client: Pick<Client, "get">,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await client.get(NAMESPACE, { name }, { signal });
  return found === undefined || textAt(found, "metadata", "deletionTimestamp") !== undefined;
}
