import {
  CEDANA,
  type CedanaSpec,
  type CedanaStatus,
  type CheckpointSpec,
  type CheckpointStatus,
} from "../../api";
import { at, itemsAt, metadataOf, numberAt, textAt, textsAt } from "../../kube/runtime";
import type { Json, KubernetesObject, ObjectMetadata } from "../../kube/runtime";

export { CEDANA, CHECKPOINT, type CedanaMethod, type CedanaStatus } from "../../api";

interface Metadata extends ObjectMetadata {
  readonly namespace: string;
  readonly generation: number;
  /** RFC 3339, in whole seconds. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
}

/** A Checkpoint with the fields in use. The API server has checked them against the kind's schema. */
export interface CheckpointObject extends KubernetesObject {
  readonly metadata: Metadata & {
    readonly finalizers: readonly string[];
    /** The Cedana that it was made for. */
    readonly cedana?: { readonly name: string; readonly uid: string };
  };
  readonly spec: CheckpointSpec;
  readonly status: CheckpointStatus;
}

/** A Cedana with the fields in use. */
export interface CedanaObject extends KubernetesObject {
  readonly metadata: Metadata & { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: CedanaSpec;
  readonly status: CedanaStatus;
}

export function projectCheckpoint(raw: Json): CheckpointObject {
  const owner = itemsAt(raw, "metadata", "ownerReferences").find(
    (reference) =>
      textAt(reference, "kind") === CEDANA.kind && textAt(reference, "apiVersion") === CEDANA.apiVersion,
  );
  const [name, uid] = [textAt(owner, "name"), textAt(owner, "uid")];
  return {
    metadata: {
      ...metadata(raw),
      finalizers: itemsAt(raw, "metadata", "finalizers").filter((item) => typeof item === "string"),
      ...(name === undefined || uid === undefined ? {} : { cedana: { name, uid } }),
    },
    spec: at(raw, "spec") as unknown as CheckpointSpec,
    status: (at(raw, "status") ?? {}) as unknown as CheckpointStatus,
  };
}

export function projectCedana(raw: Json): CedanaObject {
  return {
    metadata: { ...metadata(raw), annotations: textsAt(raw, "metadata", "annotations") },
    spec: (at(raw, "spec") ?? {}) as CedanaObject["spec"],
    status: (at(raw, "status") ?? {}) as unknown as CedanaStatus,
  };
}

function metadata(raw: Json): Metadata {
  const deletionTimestamp = textAt(raw, "metadata", "deletionTimestamp");
  return {
    ...metadataOf(raw),
    namespace: textAt(raw, "metadata", "namespace") ?? "",
    generation: numberAt(raw, "metadata", "generation") ?? 0,
    creationTimestamp: textAt(raw, "metadata", "creationTimestamp") ?? "",
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  };
}

/** Older ones first; those of one second by namespace and name. */
export function byAge(a: CheckpointObject, b: CheckpointObject): number {
  const key = ({ metadata: { creationTimestamp, namespace, name } }: CheckpointObject) =>
    `${creationTimestamp} ${namespace}/${name}`;
  const [left, right] = [key(a), key(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
