import {
  NODE_LABEL,
  NODE_RESTORE as NODE_RESTORE_KIND,
  nodeLabelValue,
  type NodeRestoreReason,
  type NodeRestoreSpec,
  type NodeRestoreStatus,
} from "../../../api";
import { repositoriesOf } from "../../../config/programs";
import { kindOf, projectCustomResource, type CustomResource } from "../../../kube";
import type { CheckpointObject } from "../../checkpoints/objects";
import { checkpointUIDOf } from "../../checkpoints/record";
import { isArtifactIn, type PlanRestore } from "../../engines";
import type { RestoredPod } from "../pods";

export type NodeRestoreObject = CustomResource<NodeRestoreSpec, NodeRestoreStatus>;

export const NODE_RESTORE = kindOf(
  NODE_RESTORE_KIND,
  projectCustomResource<NodeRestoreSpec, NodeRestoreStatus>,
);

/** Returns the key of the pod. */
export const podKeyOf = ({ spec: { podRef } }: NodeRestoreObject) => `${podRef.namespace}/${podRef.name}`;

/** Returns the condition with the outcome, if it is known. */
export function outcomeOf({ conditions = [] }: NodeRestoreStatus) {
  return conditions.find(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

/** Returns the reason of the status; undefined before the agent's first one. */
export function reasonOf({ conditions = [] }: NodeRestoreStatus): NodeRestoreReason | undefined {
  return conditions.find(({ type }) => type === "Ready")?.reason;
}

/** Returns the request to the agent of the pod's node, or undefined if the Checkpoint has no image in the repository. */
export function nodeRestoreFor(
  {
    metadata: { namespace, name, uid },
    nodeName,
    fallback,
    isSandbox,
  }: RestoredPod & { readonly nodeName: string },
  checkpoint: CheckpointObject,
  { namespace: place, restart, lazy, timeoutSeconds, ...repositories }: PlanRestore,
) {
  const allowed = repositoriesOf(repositories, namespace);
  const image = checkpoint.status.containers
    ?.map(({ location }) => location)
    .find((location) => isArtifactIn(allowed, location));
  if (image === undefined) return undefined;
  const spec: NodeRestoreSpec = {
    nodeName,
    podRef: { namespace, name, uid },
    checkpointUID: checkpointUIDOf(checkpoint),
    image,
    fallback,
    restart: isSandbox ? "fresh" : restart,
    // A verification reads the whole checkpoint before the processes run.
    lazy: lazy && !isSandbox,
    timeoutSeconds,
  };
  const labels = { [NODE_LABEL]: nodeLabelValue(nodeName) };
  return { metadata: { name: uid, namespace: place, labels }, spec };
}
