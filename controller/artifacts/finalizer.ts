import { ARTIFACT_FINALIZER } from "../../api";
import type { Client, JsonPatchOperation } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";

export function hasFinalizer({ metadata }: CheckpointObject): boolean {
  return metadata.finalizers?.includes(ARTIFACT_FINALIZER) ?? false;
}

/** Adds the finalizer. @throws ApiError 409 if the Checkpoint has another version, 404 or 422 if it was deleted */
export function addFinalizer(client: Client, object: CheckpointObject): Promise<unknown> {
  const path = "/metadata/finalizers";
  return patch(client, object, [
    object.metadata.finalizers === undefined
      ? { op: "add", path, value: [ARTIFACT_FINALIZER] }
      : { op: "add", path: `${path}/-`, value: ARTIFACT_FINALIZER },
  ]);
}

/** Removes the finalizer: the API server then removes a Checkpoint that was deleted. @throws as `addFinalizer` */
export function removeFinalizer(client: Client, object: CheckpointObject): Promise<unknown> {
  const index = object.metadata.finalizers?.indexOf(ARTIFACT_FINALIZER) ?? -1;
  return patch(client, object, [{ op: "remove", path: `/metadata/finalizers/${index}` }]);
}

function patch(
  client: Client,
  { metadata: { name, namespace, uid, resourceVersion } }: CheckpointObject,
  operations: readonly JsonPatchOperation[],
): Promise<unknown> {
  return client.jsonPatch(CHECKPOINT, { name, namespace, uid }, [
    { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion },
    ...operations,
  ]);
}
