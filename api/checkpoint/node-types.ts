import type { Condition, NotRestoredItem } from "./types";

/** What an agent of a node is to do: checkpoint one container and push an image of it. Immutable. */
export interface NodeCheckpointSpec {
  readonly nodeName: string;
  readonly podRef: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly containerName: string;
  /** Where the image goes: `registry/repository:tag`. */
  readonly image: string;
  /** How long all of it may take, from the agent's first step on. */
  readonly timeoutSeconds: number;
}

/**
 * Why a condition of a NodeCheckpoint is as it is.
 * - `Pending`: it waits for others of the node
 * - `QuotaExceeded`: archives would take more of the disk than they may
 * - `RegistryFailed`: the checkpoint was taken, and the image could not be pushed in time
 */
export type NodeCheckpointReason =
  | "Pending"
  | "CheckpointInProgress"
  | "Pushing"
  | "CheckpointCompleted"
  | "CheckpointFailed"
  | "QuotaExceeded"
  | "RegistryFailed"
  | "ContainerNotFound"
  | "SourcePodReplaced";

export type NodeCheckpointCondition = Condition<"Ready" | "Progressing" | "Failed", NodeCheckpointReason>;

export interface NodeCheckpointStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly NodeCheckpointCondition[];
  /** By digest: `registry/repository@sha256:...`. */
  readonly image?: string;
  readonly digest?: string;
  /** Of the archive, which is the image's only layer. */
  readonly sizeBytes?: number;
  readonly architecture?: string;
  /** By digest, where the archive tells it. */
  readonly baseImage?: string;
  /** RFC 3339. */
  readonly checkpointedTime?: string;
  /** Time in which CRIU kept the processes frozen. The container stands still longer. */
  readonly frozenMilliseconds?: number;
  /** Path of the archive on the node, while it is there. */
  readonly archive?: string;
  readonly notRestored?: readonly NotRestoredItem[];
  /** RFC 3339. */
  readonly startTime?: string;
  /** RFC 3339. */
  readonly completionTime?: string;
}
