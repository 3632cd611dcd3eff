import { createHash } from "node:crypto";
import { AUTOMATION_GROUP } from "./names";

/** Kind NodeCheckpoint, as its paths and objects name it. */
export const NODE_CHECKPOINT = {
  apiVersion: `${AUTOMATION_GROUP}/v1alpha1`,
  kind: "NodeCheckpoint",
  plural: "nodecheckpoints",
} as const;

/** Name of the CustomResourceDefinition; fixed by Kubernetes to `<plural>.<group>`. */
export const NODE_CHECKPOINT_CRD = `nodecheckpoints.${AUTOMATION_GROUP}`;

/** Label of NodeCheckpoints by which an agent finds those of its node. */
export const NODE_LABEL = `${AUTOMATION_GROUP}/node`;

/** Longest value of a label. */
const LONGEST = 63;

/** The value of that label: the node's name, or as much of its SHA-256 if the name is too long. */
export function nodeLabelValue(nodeName: string): string {
  if (nodeName.length <= LONGEST) return nodeName;
  return createHash("sha256").update(nodeName).digest("hex").slice(0, LONGEST);
}

/** Name of the NodeCheckpoint, and tag of the image, for a container of a Checkpoint: always the same. */
export function nodeCheckpointName(checkpointUID: string, container: string): string {
  return `${checkpointUID}-${container}`;
}
