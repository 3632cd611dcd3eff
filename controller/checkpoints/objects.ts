import {
  CEDANA as CEDANA_KIND,
  CHECKPOINT as CHECKPOINT_KIND,
  type CedanaSpec,
  type CedanaStatus,
  type CheckpointSpec,
  type CheckpointStatus,
} from "../../api";
import {
  itemsAt,
  projectCustomResource,
  rawKind,
  textAt,
  textsAt,
  type CustomResource,
  type CustomResourceMetadata,
  type Json,
  type Kind,
} from "../../kube";

export type { CedanaMethod, CedanaStatus } from "../../api";

/** A Checkpoint with the fields in use. The API server has checked them against the kind's schema. */
export interface CheckpointObject extends CustomResource<CheckpointSpec, CheckpointStatus> {
  readonly metadata: CustomResourceMetadata & {
    /** The Cedana that owns it. */
    readonly cedana?: { readonly name: string; readonly uid: string };
  };
}

/** A Cedana with the fields in use. */
export interface CedanaObject extends CustomResource<CedanaSpec, CedanaStatus> {
  readonly metadata: CustomResourceMetadata & { readonly annotations: Readonly<Record<string, string>> };
}

export const CHECKPOINT: Kind<CheckpointObject> = { ...CHECKPOINT_KIND, project: projectCheckpoint };
export const CEDANA: Kind<CedanaObject> = { ...CEDANA_KIND, project: projectCedana };
export const POD = rawKind("v1", "Pod", "pods");

export function projectCheckpoint(raw: Json): CheckpointObject {
  const owner = itemsAt(raw, "metadata", "ownerReferences").find(
    (reference) =>
      textAt(reference, "kind") === CEDANA.kind && textAt(reference, "apiVersion") === CEDANA.apiVersion,
  );
  const [name, uid] = [textAt(owner, "name"), textAt(owner, "uid")];
  const object = projectCustomResource<CheckpointSpec, CheckpointStatus>(raw);
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...(name === undefined || uid === undefined ? {} : { cedana: { name, uid } }),
    },
  };
}

export function projectCedana(raw: Json): CedanaObject {
  const object = projectCustomResource<CedanaSpec, CedanaStatus>(raw);
  return {
    ...object,
    metadata: { ...object.metadata, annotations: textsAt(raw, "metadata", "annotations") },
  };
}

/** Orders older ones first; those of one second by namespace and name. */
export function byAge(a: CheckpointObject, b: CheckpointObject): number {
  const key = ({ metadata: { creationTimestamp, namespace, name } }: CheckpointObject) =>
    `${creationTimestamp} ${namespace}/${name}`;
  const [left, right] = [key(a), key(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
