import { deletionPolicy } from "./checkpoint";
import { ENGINES, type EngineName } from "./kind";
import { flag, object, optional, text, type Infer } from "./schema";

const checkpoint = object("Creates a Checkpoint of the pod.", {
  engine: optional(
    text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
  ),
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
  deletionPolicy: optional(deletionPolicy),
});

export const action = object("What is done with a pod that is due. Exactly one of the fields.", {
  checkpoint,
});

export type CheckpointAction = Infer<typeof checkpoint>;
