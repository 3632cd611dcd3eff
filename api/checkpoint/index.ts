/**
 * Kinds Checkpoint and NodeCheckpoint (automation.cedana.ai/v1alpha1): their types and OpenAPI schemas.
 */
export { conditionsOf } from "./conditions";
export {
  AUTOMATION_GROUP,
  CHECKPOINT_API_VERSION,
  CHECKPOINT_CRD,
  CHECKPOINT_FINALIZER,
  ENGINES,
  type EngineName,
} from "./names";
export {
  NODE_CHECKPOINT,
  NODE_CHECKPOINT_CRD,
  NODE_LABEL,
  nodeCheckpointName,
  nodeLabelValue,
} from "./node-names";
export { nodeCheckpointSchema } from "./node-schema";
export type {
  NodeCheckpointCondition,
  NodeCheckpointReason,
  NodeCheckpointSpec,
  NodeCheckpointStatus,
} from "./node-types";
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
  NotRestoredItem,
  OwnerIdentity,
  PodReference,
  RestoreState,
  RestoreStatus,
} from "./types";
