import type { KubernetesClient } from "../../../kube/client";
import { RECORD } from "../../../api/restore";
import { FIELD_MANAGER, isNotAsTested } from "../../checkpoints/requests";
import { pathOf } from "../../../kube/runtime";
import { POD, type RestoredPod } from "../pods";

/** Longest reason that is kept on a pod. */
const LONGEST = 1024;

/**
 * Gives the pod's containers their own images back: the kubelet then starts them anew. All of them, since one that goes on
 * beside one that begins is a state that never was.
 * @returns false if the pod is gone, or not as it was looked at
 */
export async function putBack(
  client: Pick<KubernetesClient, "send">,
  { metadata: { namespace, name, uid }, containers }: RestoredPod,
  why: string,
): Promise<boolean> {
  const images = containers
    .filter(({ image, original }) => image !== original)
    .flatMap(({ name: container, index, image, original }) => {
      const path = `/spec/containers/${index}`;
      return [
        { op: "test", path: `${path}/name`, value: container },
        { op: "test", path: `${path}/image`, value: image },
        { op: "replace", path: `${path}/image`, value: original },
      ];
    });
  const annotation = `/metadata/annotations/${RECORD.failed.replace("/", "~1")}`;
  const content = [
    { op: "test", path: "/metadata/uid", value: uid },
    ...images,
    { op: "add", path: annotation, value: why.slice(0, LONGEST) },
  ];
  try {
    const body = { type: "application/json-patch+json", content };
    await client.send("PATCH", pathOf(POD, namespace, name), body, {
      query: { fieldManager: FIELD_MANAGER },
    });
    return true;
  } catch (error) {
    if (isNotAsTested(error)) return false;
    throw error;
  }
}
