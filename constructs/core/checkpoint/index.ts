/**
 * Kind Checkpoint (automation.cedana.ai/v1alpha1): its types and its OpenAPI schema.
 */
export {
  AUTOMATION_GROUP,
  CHECKPOINT_API_VERSION,
  CHECKPOINT_CRD,
  CHECKPOINT_FINALIZER,
  ENGINES,
  type EngineName,
} from "./names";
export { checkpointSchema } from "./schema";
export { conditionsSchema } from "./status-schema";
export type {
  CheckpointCondition,
  CheckpointConditionType,
  CheckpointReason,
  CheckpointSpec,
  CheckpointStatus,
  Condition,
  ContainerCheckpoint,
  DeletionPolicy,
  OwnerIdentity,
  PodReference,
} from "./types";
