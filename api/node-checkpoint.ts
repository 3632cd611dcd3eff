import { createHash } from "node:crypto";
import { reportedFields } from "./checkpoint";
import { conditions, type CheckpointConditionType, type Condition } from "./conditions";
import { AGE_COLUMN, AUTOMATION_GROUP, defineKind, READY_COLUMNS, SIZE_COLUMN } from "./kind";
import { count, integer, labelName, object, optional, podName, text, time, uid, type Infer } from "./schema";

const DAY_SECONDS = 86_400;

const spec = object(
  "The requested checkpoint. Immutable.",
  {
    nodeName: text("Node of the pod. Its agent takes the checkpoint.", 253),
    podRef: object("The pod. If it was replaced by one with another UID, the checkpoint fails.", {
      namespace: labelName("Namespace of the pod."),
      name: podName("Name of the pod."),
      uid: uid("UID of the pod."),
    }),
    containerName: labelName("Name of the container."),
    image: text("Image to push: <registry>/<repository>:<tag>.", 512, { pattern: "^[^\\s@]+:[^\\s@/]+$" }),
    timeoutSeconds: integer("Time limit of the whole request, from the agent's first step.", 1, DAY_SECONDS),
  },
  [{ rule: "self == oldSelf", message: "spec is immutable: create another NodeCheckpoint instead" }],
);

const status = object("Observed state, written by the node's agent.", {
  observedGeneration: optional(count("Generation of the object that the status describes.")),
  conditions: optional(conditions<CheckpointConditionType, NodeCheckpointReason>()),
  image: optional(text("The pushed image by digest: <registry>/<repository>@sha256:<digest>.", 1024)),
  digest: optional(text("Digest of the image.", 128)),
  checkpointedTime: optional(time("When the checkpoint was taken.")),
  ...reportedFields,
  archive: optional(text("Path of the archive on the node, while it exists.", 4096)),
  startTime: optional(time("When the agent started to work on the request.")),
  completionTime: optional(time("When the outcome was known.")),
});

/** Kind NodeCheckpoint: the controller's request to the agent of a node to checkpoint one container. */
export const NODE_CHECKPOINT = defineKind({
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  kind: "NodeCheckpoint",
  plural: "nodecheckpoints",
  scope: "Namespaced",
  description:
    "A request to the agent of a node to checkpoint one container. The controller creates and deletes it.",
  spec,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName" },
    { name: "Namespace", type: "string", jsonPath: ".spec.podRef.namespace" },
    { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
    { name: "Container", type: "string", jsonPath: ".spec.containerName" },
    ...READY_COLUMNS,
    SIZE_COLUMN,
    { name: "Image", type: "string", jsonPath: ".status.image", priority: 1 },
    AGE_COLUMN,
  ],
});

/**
 * Reason of a NodeCheckpoint's conditions.
 * - `Pending`: waits for other checkpoints of the node
 * - `QuotaExceeded`: the archives would exceed their quota on the node's disk
 * - `RegistryFailed`: the checkpoint was taken, but the image could not be pushed in time
 */
export type NodeCheckpointReason =
  | "Pending"
  | "CheckpointInProgress"
  | "Pushing"
  | "CheckpointCompleted"
  | "CheckpointFailed"
  | "QuotaExceeded"
  | "RegistryFailed"
  | "ContainerNotFound"
  | "SourcePodReplaced";

export type NodeCheckpointCondition = Condition<CheckpointConditionType, NodeCheckpointReason>;
export type NodeCheckpointSpec = Infer<typeof spec>;
export type NodeCheckpointStatus = Infer<typeof status>;

/** Label with the node's name. The agent of the node selects its NodeCheckpoints by it. */
export const NODE_LABEL = `${AUTOMATION_GROUP}/node`;

/** Maximum length of a label's value. */
const MAX_LABEL = 63;

/** Returns the value of the node label: the node's name, or the start of its SHA-256 if the name is too long. */
export function nodeLabelValue(nodeName: string): string {
  if (nodeName.length <= MAX_LABEL) return nodeName;
  return createHash("sha256").update(nodeName).digest("hex").slice(0, MAX_LABEL);
}

/** Returns the name of the NodeCheckpoint for a container of a Checkpoint. It is also the tag of the image. */
export function nodeCheckpointName(checkpointUID: string, container: string): string {
  return `${checkpointUID}-${container}`;
}
