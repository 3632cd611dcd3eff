import {
  NODE_CHECKPOINT as NODE_CHECKPOINT_KIND,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../api";
import { kindOf, projectCustomResource, type CustomResource } from "../../kube";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT = kindOf(
  NODE_CHECKPOINT_KIND,
  projectCustomResource<NodeCheckpointSpec, NodeCheckpointStatus>,
);

export function isFinished({ conditions = [] }: NodeCheckpointStatus): boolean {
  return conditions.some(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

/** Returns the key of the container: one checkpoint of a container runs at a time. */
export function containerKeyOf({ podRef, containerName }: NodeCheckpointSpec): string {
  return `${podRef.namespace}/${podRef.name}/${containerName}`;
}
