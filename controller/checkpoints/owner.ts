import type { OwnerIdentity } from "../../api";
import { isTrueAt, itemsAt, textAt, type Json } from "../../kube";

/** Label with the hash of the pod template, in pods and ReplicaSets of a Deployment. */
export const DEPLOYMENT_HASH = "pod-template-hash";
/** Label with the hash of the pod template, in pods of a StatefulSet or DaemonSet. */
export const REVISION_HASH = "controller-revision-hash";

/** Returns the controller that owns the pod. */
export function ownerOf(pod: Json): OwnerIdentity | undefined {
  const reference = itemsAt(pod, "metadata", "ownerReferences").find((one) => isTrueAt(one, "controller"));
  const [apiVersion, kind, name, uid] = ["apiVersion", "kind", "name", "uid"].map((field) =>
    textAt(reference, field),
  );
  if (apiVersion === undefined || kind === undefined || name === undefined || uid === undefined)
    return undefined;
  return { apiVersion, kind, name, uid };
}

/** Returns the name of the ReplicaSet's Deployment, or its own name if it has none. */
export function deploymentOf(replicaSet: string, hash: string | undefined): string {
  const end = `-${hash}`;
  return hash !== undefined && replicaSet.endsWith(end) ? replicaSet.slice(0, -end.length) : replicaSet;
}
