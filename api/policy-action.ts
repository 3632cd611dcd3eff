import { deletionPolicy } from "./checkpoint";
import { exactlyOne } from "./exactly-one";
import { ENGINES, type EngineName } from "./kind";
import { verify } from "./policy-verify";
import { deleteCheckpoints } from "./policy-retention";
import { flag, object, optional, text, type Infer } from "./schema";

const engine = optional(
  text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
);

const checkpoint = object("Creates a Checkpoint of the pod.", {
  engine,
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
  deletionPolicy: optional(deletionPolicy),
});

const checkpointThenDelete = object(
  "Creates a Checkpoint of the pod, and evicts the pod once it is completed. A PodDisruptionBudget delays the eviction, for up to deadlineSeconds.",
  { engine, deletionPolicy: optional(deletionPolicy) },
);

/** Actions by name. */
export const ACTION_FIELDS = { checkpoint, checkpointThenDelete, deleteCheckpoints, verify } as const;

export const action = exactlyOne(
  "action",
  "What is done when the trigger is due. Exactly one of the fields.",
  ACTION_FIELDS,
);

export type CheckpointAction = Infer<typeof checkpoint>;
/** Settings of an action that creates a Checkpoint first. */
export type FirstCheckpointAction = Infer<typeof checkpointThenDelete>;
