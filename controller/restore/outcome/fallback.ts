import { RECORD } from "../../../api/restore";
import { isTestFailed, pointer, type Client, type JsonPatchOperation } from "../../../kube";
import { RESTORED_POD, type RestoredPod } from "../pods";

/** Longest reason that is kept on a pod. */
const LONGEST = 1024;

/**
 * Sets the pod's containers back to their own images: the kubelet then starts them without a checkpoint. It sets all of
 * them, because a restored container beside a fresh one is a state that never existed.
 * @returns false if the pod was deleted or has changed since it was read
 */
export async function fallBack(
  client: Client,
  { metadata, containers }: RestoredPod,
  why: string,
): Promise<boolean> {
  const images = containers
    .filter(({ image, original }) => image !== original)
    .flatMap(({ name: container, index, image, original }): JsonPatchOperation[] => {
      const path = `/spec/containers/${index}`;
      return [
        { op: "test", path: `${path}/name`, value: container },
        { op: "test", path: `${path}/image`, value: image },
        { op: "replace", path: `${path}/image`, value: original },
      ];
    });
  const annotation = pointer("metadata", "annotations", RECORD.failed);
  try {
    await client.jsonPatch(RESTORED_POD, metadata, [
      ...images,
      { op: "add", path: annotation, value: why.slice(0, LONGEST) },
    ]);
    return true;
  } catch (error) {
    if (isTestFailed(error)) return false;
    throw error;
  }
}
