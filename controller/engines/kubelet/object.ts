import {
  NODE_CHECKPOINT as NAMES,
  NODE_LABEL,
  nodeCheckpointName,
  nodeLabelValue,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../../api";
import { projectCustomResource, type CustomResource, type Kind } from "../../../kube";
import type { CheckpointRequest } from "../engine";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT: Kind<NodeCheckpointObject> = { ...NAMES, project: projectCustomResource };

export interface Place {
  /** Namespace of the agents. */
  readonly namespace: string;
  /** Repository of the images. */
  readonly repository: string;
  readonly timeoutSeconds: number;
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
