import type { CheckpointMetadata, TcpPolicy } from "./metadata";

/** A part of a checkpoint: `metadata`, `containers/NAME/images`, `containers/NAME/rootfs`, `volumes/NAME` or `shm`. */
export type PartName = string;

export interface CheckpointRequest {
  /** UID of the Checkpoint. A repeated request with the same UID gets the same checkpoint. */
  readonly uid: string;
  readonly podUID: string;
  /** Containers with their image as `sha256:HEX`, or "" if it is unknown. None: all that run. */
  readonly containers?: readonly { readonly name: string; readonly image: string }[];
  /** Default: `close`. */
  readonly tcp?: TcpPolicy;
  /** Dumps of memory before the freeze: where they shorten the standstill, or never. Default: `auto`. */
  readonly preDump?: "auto" | "off";
  /** Ends the processes instead of letting them resume. Default: false. */
  readonly stop?: boolean;
  /** The longest time that the containers may be frozen, and that a dump before the freeze may take. Default: 60,000. */
  readonly freezeMilliseconds?: number;
  /** Limits the memory of all processes, before the freeze, and the files of each directory. Default: no limit. */
  readonly maxBytes?: number;
  /** Free space that must remain on the disk. Default: 64 MiB. */
  readonly reserveBytes?: number;
}

export interface CheckpointResult {
  readonly checkpoint: CheckpointMetadata;
  /** Directory on the node; only the service has access to it. */
  readonly directory: string;
  /** Nanoseconds of each step; 0 for a checkpoint that existed. */
  readonly timings: Readonly<Record<"preDump" | "freeze" | "dump" | "pack" | "thaw" | "checksum", number>>;
}

/** Size and sha256 of bytes as they are sent: compressed, except for `metadata`. */
export interface StreamDigest {
  /** In bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** A piece of a part, which a registry stores as one blob. */
export interface ExportedSegment extends StreamDigest {
  readonly content: Buffer;
  /** Permits the use of its memory for a later segment. Call it when the content is not needed any more. */
  readonly release: () => void;
}

/** A part that is read from the service. Read `segments`, or call `close`. */
export interface ExportedPart {
  /** Size before compression, in bytes. */
  readonly uncompressedSize: number;
  /**
   * The bytes, in their order: zstd, except for `metadata`. A segment has at most 16 MiB, or more for a part of more than
   * 16 GiB. Can be read once. Throws NodeServiceError if they end too early.
   */
  readonly segments: AsyncIterable<ExportedSegment>;
  /** Ends the stream. Does nothing after its end. */
  close(): void;
}

export interface StageRequest {
  /** The pod that will be restored. */
  readonly podUID: string;
  /** UID of the checkpoint. */
  readonly checkpoint: string;
  /** `metadata` must be staged first. */
  readonly part: PartName;
  /** The bytes that are sent, in their order: blobs of a registry. The service compares the sha256 of each. */
  readonly segments: readonly StreamDigest[];
  /** For `metadata`: the largest sum of the checkpoint's files. Default: no limit but the disk. */
  readonly maxBytes?: number;
  /** For `metadata`: free space that must remain on the disk once all files are written. Default: 64 MiB. */
  readonly reserveBytes?: number;
}

/** The part with the memory of a container. The fields are those with which it was staged. */
export type LoadRequest = Pick<StageRequest, "podUID" | "checkpoint" | "part" | "segments">;

/**
 * Opens one segment of a part that the service asks for. Each piece of it is valid until the next one is read. The memory is that
 * of another segment, which is not needed any more; the signal is aborted when no more bytes are read.
 */
export type OpenPiece = (
  segment: StreamDigest,
  options: { readonly signal: AbortSignal; readonly memory?: Buffer },
) => AsyncGenerator<Buffer>;

export interface LoseRequest {
  readonly podUID: string;
  /** Not empty. */
  readonly message: string;
}

export interface LayRequest {
  readonly podUID: string;
  /** UID of the checkpoint whose parts are staged. */
  readonly checkpoint: string;
  /** No restore begins later. */
  readonly deadline: Date;
  /** What happens to the pod's containers if a restore is not possible: a fresh start, or a failed creation. */
  readonly fallback: "fresh" | "fail";
  /** What happens to a restored container that ends and is created again in the same pod. */
  readonly restart: "fresh" | "again";
  /** Whether the processes run before their memory is loaded, where kernel and checkpoint permit it. */
  readonly lazy: boolean;
  /** Limit of the time in which memory is loaded while the processes run. Default: 1800. */
  readonly memorySeconds?: number;
  /** Limit of one run of CRIU. Default: 60. */
  readonly restoreSeconds?: number;
}

export interface DeclineRequest {
  readonly podUID: string;
  /** In the form of a condition's reason, such as `CheckpointInvalid`. */
  readonly reason: string;
  /** At most 4096 bytes. */
  readonly message: string;
  /** What happens to the pod's containers: a fresh start, or a failed creation. Default: `fresh`. */
  readonly fallback?: LayRequest["fallback"];
}

export interface ReplanRequest {
  readonly podUID: string;
  /** UID of a checkpoint of this pod that the service has. */
  readonly checkpoint: string;
  /** Free space that must remain on the disk. Default: 64 MiB. */
  readonly reserveBytes?: number;
}

export interface ReplanResult {
  /** Whether the plan of the pod names the checkpoint. */
  readonly replaced: boolean;
  /** Why it does not, such as `RestartsFresh`. */
  readonly reason?: string;
  readonly message?: string;
}

/** What happened to one container: `Pending` until it is created. */
export interface ContainerOutcome {
  readonly name: string;
  readonly phase: "Pending" | "Restoring" | "Restored" | "StartedFresh" | "Failed";
  /** Restores that began. */
  readonly attempts: number;
  /** From the call of the OCI runtime to the end of the restore. */
  readonly milliseconds?: number;
  /** Memory that is loaded while the processes run. `Lost`: the processes were killed. Absent: it was loaded before. */
  readonly memory?: "Restoring" | "Loading" | "Loaded" | "Lost" | "Aborted";
  /** Whether memory is still to come by `load`. Default: false. */
  readonly arriving?: boolean;
  /** Why memory was loaded before the processes ran although the plan is lazy. */
  readonly eager?: string;
}

/** What the OCI runtime wrapper decided for a pod, and did. */
export interface Outcome {
  /** The checkpoint of the plan; absent if there is no plan, also if the pod started before it. */
  readonly checkpoint?: string;
  /** One decision for all containers of the checkpoint; "" until the first one is created. */
  readonly decision: "" | "restore" | "fresh" | "fail";
  /** Reason of another decision than `restore`, such as `Incompatible`. */
  readonly reason?: string;
  readonly message?: string;
  readonly decidedAt?: Date;
  /** All containers of the checkpoint, by name. Without a plan: none. */
  readonly containers: readonly ContainerOutcome[];
}

export interface ServiceState {
  /** Complete checkpoints, sorted by UID. */
  readonly checkpoints: readonly { readonly uid: string; readonly podUID: string; readonly bytes: number }[];
  /** UIDs of checkpoints in flight, sorted. */
  readonly inFlight: readonly string[];
  /** Pods with a plan or a decision, sorted by UID. `checkpoint` is absent if there is no plan. */
  readonly plans: readonly { readonly podUID: string; readonly checkpoint?: string }[];
  /** Pods whose checkpoint is incomplete, sorted by UID. */
  readonly stagings: readonly { readonly podUID: string; readonly checkpoint: string }[];
  /** Free space of the disk with the checkpoints. */
  readonly freeBytes: number;
}

export interface PodUsage {
  /** Working set of each running container in bytes, by UID of the pod and name of the container. */
  readonly memory: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/**
 * The service of the node, `cedana-noded`. Each method throws NodeServiceError, or the signal's reason. A request can be
 * repeated after any error: each method has the same result then.
 */
export interface NodeService {
  /** Returns what the containers of pods use, of at most 1000 pods. One that does not run on the node is missing. */
  usage(podUIDs: readonly string[], signal?: AbortSignal): Promise<PodUsage>;
  /** Takes a checkpoint. It continues on the node if the signal aborts the request. */
  checkpoint(request: CheckpointRequest, signal?: AbortSignal): Promise<CheckpointResult>;
  /** Returns one part of a checkpoint as a stream. */
  export(uid: string, part: PartName, signal?: AbortSignal): Promise<ExportedPart>;
  /** Deletes a checkpoint. */
  forget(uid: string, signal?: AbortSignal): Promise<void>;
  /**
   * Sends one part of a checkpoint for a restore. The service verifies it and writes it to the disk.
   *
   * @param open opens the bytes, if the service has not the part already. What it throws is thrown as it is
   * @param piece permits the service to ask only for what a restore needs before the processes run: `load` sends the rest, after
   *   the plan. The service asks for all bytes if that is not possible
   * @returns false if the service had the part
   */
  stage(
    request: StageRequest,
    open: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    piece?: OpenPiece,
  ): Promise<boolean>;
  /**
   * Sends the memory of a container that was not staged, while its processes run: what they wait for, then the rest. Throws with
   * the reason `ContentInvalid` if a segment differs from its digest.
   *
   * @returns false if nothing was missing
   */
  load(request: LoadRequest, piece: OpenPiece, signal?: AbortSignal): Promise<boolean>;
  /** Says that the memory that is still to come for a pod will not: its containers are killed, as if it had been lost. */
  loseMemory(request: LoseRequest, signal?: AbortSignal): Promise<void>;
  /** Verifies what was staged and publishes it as the plan of the pod. Does nothing if the pod has this plan. */
  lay(request: LayRequest, signal?: AbortSignal): Promise<void>;
  /**
   * Decides that the pod gets no plan, so that its containers do not wait for one, and deletes what was staged for it. Does
   * nothing if the pod has a decision without a plan. Throws with the reason `PodStarted` if it has a plan.
   */
  decline(request: DeclineRequest, signal?: AbortSignal): Promise<void>;
  /**
   * Replaces the checkpoint of the plan of a restored pod by a newer one of the pod, if the plan restores containers again: the
   * service then has it as that of the plan only, and deletes the old one. Otherwise nothing changes.
   */
  replan(request: ReplanRequest, signal?: AbortSignal): Promise<ReplanResult>;
  outcome(podUID: string, signal?: AbortSignal): Promise<Outcome>;
  /** Deletes the plan of a pod and what was staged for it. */
  forgetPlan(podUID: string, signal?: AbortSignal): Promise<void>;
  state(signal?: AbortSignal): Promise<ServiceState>;
}
