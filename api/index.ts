/**
 * The kinds of the Kubernetes API that this toolkit defines, and the annotations of a restore.
 * @module cedana-cdk/api
 */
import { CEDANA } from "./cedana";
import { CHECKPOINT } from "./checkpoint";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY } from "./checkpoint-policy";
import type { EngineName, Kind } from "./kind";
import { NODE_CHECKPOINT } from "./node-checkpoint";
import { NODE_MEMORY_WATCH } from "./node-memory-watch";
import { NODE_RESTORE } from "./node-restore";

/** All kinds. CRDs, the permissions to install them, and the tables of docs/kubernetes/crds.md follow from it. */
export const KINDS: readonly Kind[] = [
  CEDANA,
  CHECKPOINT,
  NODE_CHECKPOINT,
  NODE_RESTORE,
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  NODE_MEMORY_WATCH,
];

/** Kinds that each engine uses, in the order of `KINDS`. */
const KINDS_OF: Readonly<Record<EngineName, readonly Kind[]>> = {
  cedana: [CEDANA, CHECKPOINT],
  criu: [CHECKPOINT, NODE_CHECKPOINT, NODE_RESTORE],
};

/** Kinds of policies. The controller reconciles them with each engine, if policies are enabled. */
const POLICY_KINDS: readonly Kind[] = [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY, NODE_MEMORY_WATCH];

/**
 * Returns the kinds that an engine uses.
 * @param policies whether policies are enabled
 */
export function kindsOf(engine: EngineName, policies: boolean): readonly Kind[] {
  return [...KINDS_OF[engine], ...(policies ? POLICY_KINDS : [])];
}

export { APPARMOR_ANNOTATION, BASELINE_CAPABILITIES } from "./baseline";
export { CEDANA, type CedanaMethod, type CedanaSpec, type CedanaStatus } from "./cedana";
export {
  ARTIFACT_FINALIZER,
  CHECKPOINT,
  type CheckpointCondition,
  type CheckpointEndReason,
  type CheckpointReason,
  type CheckpointRecord,
  type CheckpointSpec,
  type CheckpointStatus,
  type ContainerCheckpoint,
  type DeletionPolicy,
  IMPORT_VERB,
  type NotRestoredItem,
  type OwnerIdentity,
  type RestoreAttempts,
  type RestoreState,
  type RestoreStatus,
} from "./checkpoint";
export {
  POLICY_FAILED_REASONS,
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  MAX_FAILURES,
  POLICY_LABELS,
  type PolicyFailure,
  type PolicyReason,
  type CheckpointPolicySpec,
  type ClusterCheckpointPolicySpec,
  type PolicySpec,
  type PolicyStatus,
} from "./checkpoint-policy";
export { ARTIFACT_ANNOTATIONS, ARTIFACT_TYPE, CLUSTER_NAMESPACE } from "./artifact";
export { MemoryMonitor, type MemoryReadings } from "./memory-monitor";
export {
  MAX_WATCHES,
  NODE_MEMORY_WATCH,
  type MemoryCrossing,
  type MemoryThreshold,
  type MemoryWatch,
  type NodeMemoryWatchSpec,
  type NodeMemoryWatchStatus,
} from "./node-memory-watch";
export { ACTION_FIELDS, type CheckpointAction, type FirstCheckpointAction } from "./policy-action";
export type { PlatformCopy } from "./policy-executor";
export { MAX_EXPRESSION, type OwnerFilter, type PodFilter } from "./policy-filter";
export type { MemoryTrigger } from "./policy-memory";
export {
  MAX_NEXT,
  RETENTION_KEEP_REASONS,
  RETENTION_LIMITS,
  type DeleteCheckpointsAction,
  type RetentionKeepReason,
  type RetentionLimit,
  type RetentionStatus,
} from "./policy-retention";
export {
  CHECKPOINT_OUTCOMES,
  type CheckpointEndedTrigger,
  type CheckpointOutcome,
  type NotifyAction,
} from "./policy-notify";
export { SUSPENDABLE, SUSPENDED, type SuspendableKind } from "./policy-suspend";
export type { LabelSelector } from "./policy-selector";
export {
  SANDBOX,
  VERIFICATION_OUTCOMES,
  type LastVerified,
  type PolicyLastVerified,
  type VerificationOutcome,
  type VerifyAction,
} from "./policy-verify";
export { REQUESTED_AT, TRIGGER_FIELDS, type HeartbeatTrigger, type StartupTrigger } from "./policy-trigger";
export {
  FIRING_ID,
  FIRING_WINDOW,
  MAX_FIRINGS,
  MIN_FIRING_SECONDS,
  type Firing,
  type SecretReference,
  type WebhookTrigger,
} from "./policy-webhook";
export { namesOf as namesInWords } from "./exactly-one";
export { conditionsOf, toolConditions, type CheckpointConditionType, type Condition } from "./conditions";
export { AUTOMATION_GROUP, ENGINES, type Column, type EngineName, type Kind } from "./kind";
export {
  KEEP_SECONDS,
  NODE_CHECKPOINT,
  NODE_LABEL,
  nodeLabelValue,
  TCP_MODES,
  type NodeCheckpointCondition,
  type NodeCheckpointOptions,
  type NodeCheckpointReason,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
  type TcpMode,
} from "./node-checkpoint";
export {
  NODE_RESTORE,
  NODE_RESTORE_CONDITION,
  RESTARTS,
  type NodeRestoreCondition,
  type NodeRestoreReason,
  type NodeRestoreSpec,
  type NodeRestoreStatus,
  type RestartPolicy,
} from "./node-restore";
export {
  ARCHITECTURE_LABEL,
  FALLBACKS,
  LATEST,
  NOT_RESTORED,
  RECORD,
  REQUEST,
  RESTORE_PLAN,
  RESTORED_FROM,
  RESTORE_VERB,
  WEBHOOK_NAME,
  WEBHOOK_PATH,
  type Fallback,
} from "./restore";
export { formOf, type Infer, type Schema, type ValidationRule } from "./schema";
