/**
 * State directories of runc containers, by what the node runs.
 * Source: Cedana's documentation of the REST service.
 */
export const CONTAINER_ROOTS = {
  kubernetes: "/run/containerd/runc/k8s.io",
  k3s: "/host/run/containerd/runc/k8s.io",
  default: "/run/runc",
} as const;

/** One container of a pod in the manager's terms: the sandbox is the pod. */
export interface ContainerReference {
  readonly namespace: string;
  /** Name of the pod. */
  readonly sandboxName: string;
  readonly containerName: string;
}

export interface CheckpointOptions extends ContainerReference {
  /** Directory on the node that the manager creates for the checkpoint. Default: remote storage. */
  readonly path?: string;
  /** Whether the container keeps running. Always sent: the manager's default is to stop it. */
  readonly leaveRunning: boolean;
}

export interface RestoreOptions extends ContainerReference {
  /** Directory on the node that holds the checkpoint. Default: remote storage. */
  readonly path?: string;
  /** Id of a checkpoint in remote storage. */
  readonly checkpointId?: string;
}

export interface RootfsOptions extends ContainerReference {
  /** Address of containerd's socket on the node. */
  readonly address: string;
  /** Image to create or to restore. */
  readonly imageRef: string;
}

export interface CrioRootfsOptions extends ContainerReference {
  /** Image of the container. */
  readonly imageRef: string;
  /** Image to create. */
  readonly newImageRef: string;
}

/** One entry of a list. Its fields are not documented: those seen so far are read. */
export interface ManagedContainer {
  readonly name?: string;
  readonly sandbox?: string;
}
