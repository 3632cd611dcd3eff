/** Which pod: by name, in the namespace of the Checkpoint. */
export interface PodReference {
  readonly name: string;
  /** If given, a pod of the name with another UID is not taken. Default: the UID at the first look. */
  readonly uid?: string;
}

/** What becomes of the data when the object is deleted. */
export type DeletionPolicy = "Retain" | "Delete";

/** What is to be checkpointed. Immutable, except `pinned` and `deletionPolicy`. */
export interface CheckpointSpec {
  readonly podRef: PodReference;
  /** Default: all containers of the pod, without its init containers. */
  readonly containers?: readonly string[];
  /** Default: the controller's. */
  readonly engine?: string;
  /** Path of the engine. Default: the engine's remote storage. */
  readonly location?: string;
  /** Default true. */
  readonly leaveRunning?: boolean;
  /** Default false. */
  readonly pinned?: boolean;
  /** Default Retain. */
  readonly deletionPolicy?: DeletionPolicy;
}

export type CheckpointConditionType = "Ready" | "Progressing" | "Failed";

/**
 * Why a condition is as it is. The first five are those of KEP-5823.
 * - `OutcomeUnknown`: the engine was asked and its answer was lost; it is not asked again.
 * - `AgentNotAnswering`, `QuotaExceeded`, `RegistryFailed`: of engine kubelet.
 */
export type CheckpointReason =
  | "Pending"
  | "CheckpointInProgress"
  | "CheckpointCompleted"
  | "CheckpointFailed"
  | "SourcePodReplaced"
  | "SourcePodNotFound"
  | "SourcePodEnded"
  | "ContainerNotFound"
  | "EngineNotFound"
  | "LocationNotAllowed"
  | "AgentNotAnswering"
  | "QuotaExceeded"
  | "RegistryFailed"
  | "OutcomeUnknown";

/** A condition as all kinds of Kubernetes have them. */
export interface Condition<Type extends string = string, Reason extends string = string> {
  readonly type: Type;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration?: number;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

export type CheckpointCondition = Condition<CheckpointConditionType, CheckpointReason>;

/** The object that made the pod. */
export interface OwnerIdentity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** Something that a restored container does not have as it was. */
export interface NotRestoredItem {
  /** Stable, for programs: `empty-dir`, `volume`, ... */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

/** What is known of the checkpoint of one container. */
export interface ContainerCheckpoint {
  readonly name: string;
  readonly image?: string;
  /** The engine's name of the checkpoint. */
  readonly checkpointID?: string;
  /** Where the engine put it. */
  readonly location?: string;
  readonly sizeBytes?: number;
  /** Of the processes, in OCI's words. */
  readonly architecture?: string;
  /** What a restore needs beside the checkpoint; by digest where that is known. */
  readonly baseImage?: string;
  /** Time in which CRIU kept the processes frozen. The container stands still longer. */
  readonly frozenMilliseconds?: number;
  readonly notRestored?: readonly NotRestoredItem[];
  /** RFC 3339. Written before the engine is asked. */
  readonly startTime?: string;
  /** RFC 3339. Written when the engine has answered; not before `checkpointID`. */
  readonly completionTime?: string;
}

/**
 * Where the restore of a checkpoint stands.
 * - `Claimed`: a pod is to go on from it
 * - `Restored`: a pod goes on from it, or has
 * - `Failed`: it could not be restored; nothing tries it again
 * - `Unknown`: the pod is gone, and nobody saw whether it had begun
 */
export type RestoreState = "Claimed" | "Restored" | "Failed" | "Unknown";

/** The pod that a checkpoint was given to. A checkpoint is given to one, unless its pods ask to share it. */
export interface RestoreStatus {
  readonly state: RestoreState;
  /** Which admission of a pod it was given to. Missing for one that pods share. */
  readonly claim?: string;
  /** Of the pod, if it had one when it was admitted, else once it was seen. */
  readonly podName?: string;
  /** Once the pod was seen. */
  readonly podUID?: string;
  /** RFC 3339. When the state was last written. */
  readonly time: string;
  readonly message?: string;
}

export interface CheckpointStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly CheckpointCondition[];
  /** The engine that is asked. */
  readonly engine?: string;
  readonly podUID?: string;
  readonly nodeName?: string;
  readonly owner?: OwnerIdentity;
  /** Hash of the pod template by which the owner made the pod. */
  readonly podTemplateHash?: string;
  readonly containers?: readonly ContainerCheckpoint[];
  /** RFC 3339. */
  readonly startTime?: string;
  /** RFC 3339. */
  readonly completionTime?: string;
  /** Of all containers; left out if the engine does not say it. */
  readonly sizeBytes?: number;
  readonly durationMilliseconds?: number;
  /** Left out as long as no pod was to go on from it. */
  readonly restore?: RestoreStatus;
}
