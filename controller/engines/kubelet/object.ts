import {
  NODE_CHECKPOINT as NODE_CHECKPOINT_KIND,
  NODE_LABEL,
  nodeCheckpointName,
  nodeLabelValue,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../../api";
import { kindOf, projectCustomResource, type CustomResource } from "../../../kube";
import type { CheckpointRequest } from "../engine";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT = kindOf(
  NODE_CHECKPOINT_KIND,
  projectCustomResource<NodeCheckpointSpec, NodeCheckpointStatus>,
);

export interface Place {
  /** Namespace of the agents. */
  readonly namespace: string;
  /** Repository of the images. */
  readonly repository: string;
  readonly timeoutSeconds: number;
  /** Time limit of an agent's first status. */
  readonly responseSeconds: number;
}

/** Returns the request to the node's agent. The same request gives the same object. */
export function nodeCheckpointFor(
  { id, namespace, pod, podUID, nodeName, container }: CheckpointRequest,
  place: Place,
) {
  const name = nodeCheckpointName(id, container);
  const spec: NodeCheckpointSpec = {
    nodeName,
    podRef: { namespace, name: pod, uid: podUID },
    containerName: container,
    image: `${place.repository}:${name}`,
    timeoutSeconds: place.timeoutSeconds,
  };
  const labels = { [NODE_LABEL]: nodeLabelValue(nodeName) };
  return { metadata: { name, namespace: place.namespace, labels }, spec };
}

/** Returns the UID of the Checkpoint that requested it. */
export function idOf({ metadata: { name }, spec: { containerName } }: NodeCheckpointObject): string {
  return name.slice(0, -(containerName.length + 1));
}
