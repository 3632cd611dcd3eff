/** What a checkpoint does with established TCP connections: ends them, keeps those over loopback, or fails. */
export type TcpPolicy = "close" | "loopback" | "refuse";

/** A tar archive or another file: size in bytes, CRC32C in 8 hexadecimal digits. */
export interface StoredFile {
  readonly size: number;
  readonly crc32c: string;
}

export interface CheckpointedMount {
  /** Path in the container. */
  readonly destination: string;
  /** Type in the container's configuration: bind, proc, tmpfs, ... */
  readonly type: string;
  /** Name of the emptyDir that is mounted; absent for other mounts. */
  readonly volume?: string;
}

export interface CheckpointedContainer {
  readonly name: string;
  /** Digest of the base image as `sha256:HEX`; "" if it is unknown. */
  readonly image: string;
  readonly mounts: readonly CheckpointedMount[];
  /** Paths are `rootfs.tar`, `images/NAME` and, of dumps before the freeze, `images/parent/NAME`. */
  readonly files: readonly (StoredFile & { readonly path: string })[];
}

/** What the agent uses of `checkpoint.json`. The service validates all of it. */
export interface CheckpointMetadata {
  readonly version: 1;
  /** UID of the Checkpoint. */
  readonly uid: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly pod: { readonly uid: string; readonly namespace: string; readonly name: string };
  readonly node: {
    readonly kernel: string;
    /** OCI architecture. */
    readonly architecture: string;
    readonly cgroup: "v1" | "v2";
    readonly criu: string;
    readonly runc: string;
  };
  readonly tcp: TcpPolicy;
  readonly containers: readonly CheckpointedContainer[];
  /** The emptyDir volumes. */
  readonly volumes: readonly (StoredFile & { readonly name: string })[];
  /** Content of /dev/shm, if the containers share it. */
  readonly sharedMemory?: StoredFile;
  /** What was dumped before the freeze, while the pod ran, or why nothing was. */
  readonly preDump?: {
    /** 0: all memory was dumped in the freeze. */
    readonly passes: number;
    /** How long these dumps stopped the processes. */
    readonly frozenNanoseconds?: number;
    readonly reason?: string;
    readonly message?: string;
  };
  /** From the freeze of the first container to the thaw of the last one, and `preDump.frozenNanoseconds`. */
  readonly frozenNanoseconds: number;
}
