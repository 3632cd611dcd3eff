import type { JsonObject } from "../../kube/client";

/** One container of a pod, as the manager names them: the sandbox is the pod. */
export interface ContainerReference {
  readonly namespace: string;
  /** Name of the pod. */
  readonly sandboxName: string;
  readonly containerName: string;
}

export interface CheckpointOptions extends ContainerReference {
  /** Directory on the node that is made for the checkpoint. Default: remote storage. */
  readonly path?: string;
  /** Whether the container runs on. The manager's default is false, so it is always said. */
  readonly leaveRunning: boolean;
}

export interface RestoreOptions extends ContainerReference {
  /** Directory on the node with the checkpoint. Default: remote storage. */
  readonly path?: string;
  /** Id of a checkpoint in remote storage. */
  readonly checkpointId?: string;
}

export interface RootfsOptions extends ContainerReference {
  /** Address of containerd's socket on the node. */
  readonly address: string;
  /** Image that is made, or restored. */
  readonly imageRef: string;
}

export interface CrioRootfsOptions extends ContainerReference {
  /** Image that the container was made of. */
  readonly imageRef: string;
  /** Image that is made. */
  readonly newImageRef: string;
}

/** One entry of a list. Its form is not documented: what is known is picked out, all of it is kept. */
export interface ManagedContainer {
  readonly name?: string;
  readonly sandbox?: string;
  readonly said: JsonObject;
}
