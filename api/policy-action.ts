import { exactlyOne } from "./exactly-one";
import { ENGINES, type EngineName } from "./kind";
import { deleteCheckpoints } from "./policy-retention";
import { flag, object, optional, text, type Infer } from "./schema";

const checkpoint = object("Creates a Checkpoint of the pod.", {
  engine: optional(
    text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
  ),
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
});

/** Actions by name. */
export const ACTION_FIELDS = { checkpoint, deleteCheckpoints } as const;

export const action = exactlyOne(
  "action",
  "What is done when the trigger is due. Exactly one of the fields.",
  ACTION_FIELDS,
);

export type CheckpointAction = Infer<typeof checkpoint>;
