import type { NodeCheckpointSpec, NodeCheckpointStatus } from "../../api";
import { at, metadataOf, numberAt, textAt } from "../../kube/runtime";
import type { Json, KubernetesObject, ObjectMetadata } from "../../kube/runtime";

/** A NodeCheckpoint with the fields in use. The API server has checked them against the kind's schema. */
export interface NodeCheckpointObject extends KubernetesObject {
  readonly metadata: ObjectMetadata & {
    readonly namespace: string;
    readonly generation: number;
    /** RFC 3339, in whole seconds. */
    readonly creationTimestamp: string;
  };
  readonly spec: NodeCheckpointSpec;
  readonly status: NodeCheckpointStatus;
}

export function projectNodeCheckpoint(raw: Json): NodeCheckpointObject {
  return {
    metadata: {
      ...metadataOf(raw),
      namespace: textAt(raw, "metadata", "namespace") ?? "",
      generation: numberAt(raw, "metadata", "generation") ?? 0,
      creationTimestamp: textAt(raw, "metadata", "creationTimestamp") ?? "",
    },
    spec: at(raw, "spec") as unknown as NodeCheckpointSpec,
    status: (at(raw, "status") ?? {}) as unknown as NodeCheckpointStatus,
  };
}

export function isFinished({ conditions = [] }: NodeCheckpointStatus): boolean {
  return conditions.some(({ type, status }) => status === "True" && (type === "Ready" || type === "Failed"));
}

/** The container that it is of: of one container one is worked on at a time. */
export function containerKeyOf({ podRef, containerName }: NodeCheckpointSpec): string {
  return `${podRef.namespace}/${podRef.name}/${containerName}`;
}
