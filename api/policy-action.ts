import { deletionPolicy } from "./checkpoint";
import { exactlyOne } from "./exactly-one";
import { ENGINES, type EngineName } from "./kind";
import { notify } from "./policy-notify";
import { verify } from "./policy-verify";
import { deleteCheckpoints } from "./policy-retention";
import { flag, object, optional, text, type Infer } from "./schema";

const engine = optional(
  text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
);

/** Settings of the Checkpoint that an action creates first. */
const first = { engine, deletionPolicy: optional(deletionPolicy) };

const checkpoint = object("Creates a Checkpoint of the pod.", {
  ...first,
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
});

const checkpointThenDelete = object(
  "Creates a Checkpoint of the pod, and evicts the pod once it is completed. A PodDisruptionBudget delays the eviction, for up to deadlineSeconds.",
  first,
);

const suspend = object(
  "Creates a Checkpoint of each pod of a Deployment, StatefulSet, ReplicaSet or Job, and scales the workload to zero (a Job: spec.suspend) once all of them are completed. Its replicas are kept in an annotation.",
  first,
);

const resume = object(
  "Scales a workload that a policy suspended to its replicas before. The filters apply to its pod template.",
  {},
);

/** Actions by name. */
export const ACTION_FIELDS = {
  checkpoint,
  checkpointThenDelete,
  deleteCheckpoints,
  suspend,
  resume,
  verify,
  notify,
} as const;

export const action = exactlyOne(
  "action",
  "What is done when the trigger is due. Exactly one of the fields.",
  ACTION_FIELDS,
);

export type CheckpointAction = Infer<typeof checkpoint>;
/** Settings of an action that creates a Checkpoint first. */
export type FirstCheckpointAction = Infer<typeof checkpointThenDelete>;
