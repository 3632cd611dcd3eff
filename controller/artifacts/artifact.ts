/** What is read of an artifact before it is deleted. */
import { ARTIFACT_ANNOTATIONS, ARTIFACT_TYPE } from "../../api";
import { at, textAt, textsAt, type Json } from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { checkpointUIDOf, isImported } from "../checkpoints/record";

/** The annotations of a checkpoint's manifest. Those of an earlier version of the agent lack the cluster. */
export interface ArtifactFacts {
  readonly checkpointUID?: string;
  readonly namespace?: string;
  readonly clusterUID?: string;
  /** When the checkpoint was taken, ms since the epoch. */
  readonly createdMs?: number;
}

/** Returns the facts in a manifest; undefined if it is no checkpoint. */
export function factsIn(content: Buffer): ArtifactFacts | undefined {
  let manifest: Json;
  try {
    manifest = JSON.parse(content.toString("utf8")) as Json;
  } catch {
    return undefined;
  }
  if (textAt(manifest, "artifactType") !== ARTIFACT_TYPE || at(manifest, "annotations") === undefined)
    return undefined;
  const { uid, cluster, namespace, created } = ARTIFACT_ANNOTATIONS;
  const annotations = textsAt(manifest, "annotations");
  const createdMs = Date.parse(annotations[created] ?? "");
  return {
    checkpointUID: annotations[uid],
    namespace: annotations[namespace],
    clusterUID: annotations[cluster],
    ...(Number.isFinite(createdMs) ? { createdMs } : {}),
  };
}

/** Why an artifact is kept although its Checkpoint is deleted. */
export const KEPT = {
  Shared: "another Checkpoint names it too",
  OtherRepository: "it is not in the repository of the namespace",
  NotACheckpoint: "it is not a checkpoint",
  OtherCheckpoint: "it is of another Checkpoint",
  OtherNamespace: "it is of a pod of another namespace",
  OtherCluster: "it is not known to be of this cluster",
} as const;
export type Kept = keyof typeof KEPT;

/**
 * Returns why the artifact that a Checkpoint names is not deleted with it; undefined if it is. The status that names it, and the record of an
 * import, may be forged: what the agent wrote into the artifact decides. The namespace binds a Checkpoint that was
 * imported; the cluster keeps one that was imported into another cluster from deleting what the first one needs.
 */
export function keptBecause(
  object: CheckpointObject,
  facts: ArtifactFacts | undefined,
  clusterUID: string,
): Kept | undefined {
  if (facts === undefined) return "NotACheckpoint";
  if (facts.checkpointUID !== checkpointUIDOf(object)) return "OtherCheckpoint";
  if (facts.namespace !== object.metadata.namespace) return "OtherNamespace";
  // An artifact of an earlier agent with the UID that this API server gave to the object is of this cluster.
  const isOwn = facts.clusterUID === undefined ? !isImported(object) : facts.clusterUID === clusterUID;
  return isOwn ? undefined : "OtherCluster";
}

/** Returns the images that a Checkpoint names, without duplicates. */
export function imagesOf({ status, record }: CheckpointObject): readonly string[] {
  const all = [...(status.containers ?? []), ...(record?.result?.containers ?? [])];
  return [...new Set(all.flatMap(({ location }) => (location === undefined ? [] : [location])))];
}

/** Returns the digest of an image; empty without one. */
export function digestOf(image: string): string {
  return image.slice(image.indexOf("@") + 1 || image.length);
}

/** Returns what a Checkpoint names its artifact by: the UID that the artifact has, and the digests. */
export function namesOf(object: CheckpointObject): readonly string[] {
  return [checkpointUIDOf(object), ...imagesOf(object).map(digestOf)];
}
