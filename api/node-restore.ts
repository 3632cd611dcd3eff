import type { CheckpointConditionType, Condition } from "./conditions";
import { AGE_COLUMN, AUTOMATION_GROUP, defineKind, READY_COLUMNS } from "./kind";
import { agentStatus, podRef } from "./node-request";
import { FALLBACKS } from "./restore";
import { DAY_SECONDS, flag, integer, object, oneOf, optional, text, uid, type Infer } from "./schema";

/** What happens to a restored container that ends and is created again in the same pod. */
export const RESTARTS = ["fresh", "again"] as const;
export type RestartPolicy = (typeof RESTARTS)[number];

const spec = object(
  "The requested restore. Immutable.",
  {
    nodeName: text("Node of the pod. Its agent prepares the restore.", 253),
    podRef: podRef("The pod that is restored.", "UID of the pod. It is also the name of the NodeRestore."),
    checkpointUID: uid("UID of the Checkpoint."),
    image: text("Image of the checkpoint by digest: <registry>/<repository>@sha256:<digest>.", 1024, {
      pattern: "^[^\\s@]+@sha256:[0-9a-f]{64}$",
    }),
    fallback: oneOf(
      "What happens if the pod cannot be restored. fresh: its containers start without the checkpoint. stop: their creation fails.",
      FALLBACKS,
    ),
    restart: oneOf(
      "What happens to a restored container that ends and is created again in the pod. fresh: it starts without the checkpoint. again: it is restored again, from the newest checkpoint of the pod.",
      RESTARTS,
    ),
    lazy: flag("Whether memory pages are restored on access, and the rest in the background."),
    timeoutSeconds: integer(
      "Seconds after the creation of the NodeRestore from which on no restore of the pod begins.",
      1,
      DAY_SECONDS,
    ),
  },
  [{ rule: "self == oldSelf", message: "spec is immutable: create another NodeRestore instead" }],
);

const status = object("Observed state, written by the node's agent.", {
  ...agentStatus<NodeRestoreReason>(),
  cause: optional(
    text("Reason that the node gives for StartedFresh or RestoreFailed, such as Incompatible.", 63),
  ),
});

/** Kind NodeRestore: the controller's request to the agent of a node to prepare the restore of one pod. */
export const NODE_RESTORE = defineKind({
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  kind: "NodeRestore",
  plural: "noderestores",
  scope: "Namespaced",
  description:
    "A request to the agent of a node to restore a pod from a checkpoint. The controller creates it when the pod has a node, and deletes it after the pod.",
  spec,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName" },
    { name: "Namespace", type: "string", jsonPath: ".spec.podRef.namespace" },
    { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
    ...READY_COLUMNS,
    { name: "Image", type: "string", jsonPath: ".spec.image", priority: 1 },
    AGE_COLUMN,
  ],
});

/**
 * Reason of a NodeRestore's conditions.
 * - `Pending`: waits for other work of the node
 * - `Fetching`: the agent pulls the checkpoint
 * - `PlanReady`: the checkpoint is on the node; the containers are restored when the kubelet creates them
 * - `Restored`: all containers of the checkpoint run, or ran, from it
 * - `StartedFresh`: the containers start without the checkpoint
 * - `RestoreFailed`: the creation of the containers fails, because the fallback is stop or their files could not be reset
 */
export type NodeRestoreReason =
  | "Pending"
  | "Fetching"
  | "PlanReady"
  | "Restored"
  | "StartedFresh"
  | "RestoreFailed";

/** The condition that is True for each reason; undefined: none. */
export const NODE_RESTORE_CONDITION: Readonly<
  Record<NodeRestoreReason, CheckpointConditionType | undefined>
> = {
  Pending: undefined,
  Fetching: "Progressing",
  PlanReady: "Progressing",
  Restored: "Ready",
  StartedFresh: "Failed",
  RestoreFailed: "Failed",
};

export type NodeRestoreCondition = Condition<CheckpointConditionType, NodeRestoreReason>;
export type NodeRestoreSpec = Infer<typeof spec>;
export type NodeRestoreStatus = Infer<typeof status>;
