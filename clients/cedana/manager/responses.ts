import { isObject } from "../../../http";
import { parsedOrText, unquoted, UnexpectedResponseError } from "../response";

/**
 * State directories of runc, by the software of the node.
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

/**
 * Returns the id in the response to a checkpoint: that of `checkpoint_id`, or the response itself, with or without quotes.
 * @param required whether there must be one
 */
export function checkpointIdIn(text: string, required: boolean): string | undefined {
  const json = parsedOrText(text);
  const id = unquoted(isObject(json) ? json["checkpoint_id"] : json);
  if (id !== undefined && ID.test(id)) return id;
  if (!required && id === undefined && isObject(json)) return undefined;
  throw unexpected("no checkpoint_id", text);
}

/** Returns the image in the response to a checkpoint of a root file system. */
export function imageRefIn(text: string): string {
  const json = parsedOrText(text);
  const ref = unquoted(isObject(json) ? (json["image_ref"] ?? json["new_image_ref"]) : json);
  if (ref !== undefined && IMAGE.test(ref)) return ref;
  throw unexpected("no image reference", text);
}

/** A UUID as documented. Any one word is accepted, so that an id of another form is not lost. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/;

function unexpected(what: string, text: string): UnexpectedResponseError {
  return new UnexpectedResponseError(`the response has ${what}: ${text.slice(0, 200) || "(empty)"}`);
}
