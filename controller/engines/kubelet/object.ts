import {
  NODE_CHECKPOINT,
  NODE_LABEL,
  nodeCheckpointName,
  nodeLabelValue,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../../api";
import { at, metadataOf } from "../../../kube/runtime";
import type { Json, KubernetesObject } from "../../../kube/runtime";
import type { CheckpointRequest } from "../engine";

/** A NodeCheckpoint with the fields in use. */
export interface NodeCheckpointObject extends KubernetesObject {
  readonly spec: NodeCheckpointSpec;
  readonly status: NodeCheckpointStatus;
}

export function projectNodeCheckpoint(raw: Json): NodeCheckpointObject {
  return {
    metadata: metadataOf(raw),
    spec: at(raw, "spec") as unknown as NodeCheckpointSpec,
    status: (at(raw, "status") ?? {}) as unknown as NodeCheckpointStatus,
  };
}

export interface Place {
  /** Namespace of the agents. */
  readonly namespace: string;
  /** Repository of the images. */
  readonly repository: string;
  readonly timeoutSeconds: number;
}

/** What is asked of the agent of the node. The same request makes the same object. */
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
  const { apiVersion, kind } = NODE_CHECKPOINT;
  const labels = { [NODE_LABEL]: nodeLabelValue(nodeName) };
  return { apiVersion, kind, metadata: { name, namespace: place.namespace, labels }, spec };
}

/** UID of the Checkpoint that it was made for. */
export function idOf({ metadata: { name }, spec: { containerName } }: NodeCheckpointObject): string {
  return name.slice(0, -(containerName.length + 1));
}
