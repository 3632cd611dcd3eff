import type { CheckpointMetadata, NodeService } from "../../clients/node-service";
import type { ImageReference, RegistryClient } from "../../clients/registry";

export interface PushCheckpointOptions {
  /** UID of a checkpoint that the service of the node has. */
  readonly uid: string;
  /** Reference of the artifact; without a tag it is stored by digest only. */
  readonly reference: ImageReference;
  /** UID of the namespace kube-system, which the artifact gets as an annotation. Default: none. */
  readonly cluster?: string;
  readonly client: RegistryClient;
  readonly node: NodeService;
  readonly signal?: AbortSignal;
}

export interface PushedCheckpoint {
  /** `host/repository@sha256:...` */
  readonly image: string;
  /** Digest of the manifest. */
  readonly digest: string;
  /** Bytes that the artifact has in the registry: manifest, config and layers. */
  readonly sizeBytes: number;
  readonly metadata: CheckpointMetadata;
}

/**
 * Pushes a checkpoint as an OCI artifact, two parts at a time. No part is written to a disk.
 *
 * @throws ArtifactError, NodeServiceError, RegistryError; the signal's reason
 */
export type PushCheckpoint = (options: PushCheckpointOptions) => Promise<PushedCheckpoint>;

export interface PullCheckpointOptions {
  /** `host/repository@sha256:...` */
  readonly image: string;
  /** Client of the registry of `image`. */
  readonly client: RegistryClient;
  readonly node: NodeService;
  /** The pod that will be restored. */
  readonly podUID: string;
  /** The largest sum of the checkpoint's files on the node. Default: no limit but the disk. */
  readonly maxBytes?: number;
  /** Free space that must remain on the disk. Default: that of the service. */
  readonly reserveBytes?: number;
  /** Whether memory may be left for `loadMemory`, after the plan. Default: false. */
  readonly lazy?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Pulls a checkpoint and stages it at the service of the node, two parts at a time. A repeated call skips parts that are
 * staged. Nothing is published: call `lay` afterwards.
 *
 * @throws ArtifactError, NodeServiceError, RegistryError; the signal's reason
 */
export type PullCheckpoint = (options: PullCheckpointOptions) => Promise<CheckpointMetadata>;

export type LoadMemoryOptions = Pick<
  PullCheckpointOptions,
  "image" | "client" | "node" | "podUID" | "signal"
>;

/**
 * Pulls the memory that a lazy `pullCheckpoint` left, while the processes of the pod run: first what they wait for, of two
 * containers at a time. A repeated call continues.
 *
 * @throws ArtifactError, NodeServiceError, RegistryError; the signal's reason
 */
export type LoadMemory = (options: LoadMemoryOptions) => Promise<void>;

export interface DeleteCheckpointOptions {
  /** `host/repository@sha256:...` */
  readonly image: string;
  /** Client of the registry of `image`. */
  readonly client: RegistryClient;
  readonly signal?: AbortSignal;
}

/**
 * Deletes the manifest of a checkpoint. Returns false if there was none.
 *
 * @throws ArtifactError, RegistryError; the signal's reason
 */
export type DeleteCheckpoint = (options: DeleteCheckpointOptions) => Promise<boolean>;
