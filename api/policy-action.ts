import { ENGINES, type EngineName } from "./kind";
import { verify } from "./policy-verify";
import { flag, object, optional, text, type Infer } from "./schema";

const checkpoint = object("Creates a Checkpoint of the pod.", {
  engine: optional(
    text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
  ),
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
});

export const action = object(
  "What is done with a pod that is due. Exactly one of the fields.",
  { checkpoint: optional(checkpoint), verify: optional(verify) },
  [
    {
      rule: "has(self.checkpoint) != has(self.verify)",
      message: "set exactly one action: checkpoint or verify",
    },
  ],
);

export type CheckpointAction = Infer<typeof checkpoint>;
