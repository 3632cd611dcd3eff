import { NODE_CHECKPOINT as NAMES, type NodeCheckpointSpec, type NodeCheckpointStatus } from "../../api";
import { projectCustomResource, type CustomResource, type Kind } from "../../kube";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT: Kind<NodeCheckpointObject> = { ...NAMES, project: projectCustomResource };

export function isFinished({ conditions = [] }: NodeCheckpointStatus): boolean {
  return conditions.some(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

/** Returns the key of the container: one checkpoint of a container runs at a time. */
export function containerKeyOf({ podRef, containerName }: NodeCheckpointSpec): string {
  return `${podRef.namespace}/${podRef.name}/${containerName}`;
}
