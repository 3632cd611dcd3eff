/**
 * The kinds of the Kubernetes API that this toolkit defines, and the annotations of a restore.
 * @module cedana-cdk/api
 */
import { CEDANA } from "./cedana";
import { CHECKPOINT } from "./checkpoint";
import type { EngineName, Kind } from "./kind";
import { NODE_CHECKPOINT } from "./node-checkpoint";

/** All kinds. CRDs, the permissions to install them, and the tables of docs/kubernetes/crds.md follow from it. */
export const KINDS: readonly Kind[] = [CEDANA, CHECKPOINT, NODE_CHECKPOINT];

/** Returns the kinds that an engine uses. */
export function kindsOf(engine: EngineName): Kind[] {
  return KINDS.filter(({ engines }) => engines?.includes(engine) ?? true);
}

export { CEDANA, type CedanaMethod, type CedanaSpec, type CedanaStatus } from "./cedana";
export {
  CHECKPOINT,
  type CheckpointCondition,
  type CheckpointReason,
  type CheckpointSpec,
  type CheckpointStatus,
  type ContainerCheckpoint,
  type NotRestoredItem,
  type OwnerIdentity,
  type RestoreState,
  type RestoreStatus,
} from "./checkpoint";
export { conditionsOf, type CheckpointConditionType, type Condition } from "./conditions";
export { AUTOMATION_GROUP, ENGINES, type Column, type EngineName, type Kind } from "./kind";
export {
  NODE_CHECKPOINT,
  NODE_LABEL,
  nodeCheckpointName,
  nodeLabelValue,
  type NodeCheckpointCondition,
  type NodeCheckpointReason,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "./node-checkpoint";
export {
  ARCHITECTURE_LABEL,
  FALLBACKS,
  LATEST,
  NOT_RESTORED,
  originalImages,
  RECORD,
  REQUEST,
  RESTORED_FROM,
  RESTORE_VERB,
  WEBHOOK_PATH,
  type Fallback,
} from "./restore";
export type { Schema, ValidationRule } from "./schema";
