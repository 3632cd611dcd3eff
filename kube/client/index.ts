/** A client of the Kubernetes API: objects by kind, over raw JSON. */
export { KubernetesApi, type ApiOptions, type Connect, connectByKubeconfig } from "./api";
export {
  Client,
  type ClientOptions,
  type ListOptions,
  type RequestOptions,
  type WriteOptions,
} from "./client";
export { Discovery, type ObjectReference } from "./discovery";
export {
  ApiError,
  hasStatus,
  isFinal,
  isNotFound,
  isOutdated,
  isRejected,
  isTestFailed,
  type StatusDetails,
} from "./errors";
export { Interner } from "./interner";
export { at, isTrueAt, itemsAt, numberAt, textAt, textsAt, pointer, type JsonPatchOperation } from "./json";
export {
  isOlder,
  keyOf,
  kindOf,
  metadataOf,
  pathOf,
  projectCustomResource,
  rawKind,
  type ApiKind,
  type CustomResource,
  type CustomResourceMetadata,
  type Kind,
  type KubernetesObject,
  type ObjectKey,
  type ObjectMetadata,
} from "./objects";
export { retryOnConflict } from "../backoff";
export type { Body, Method, SendOptions, Transport, WatchEvent, WatchOptions } from "./transport";
export { isObject, type Json, type JsonObject } from "../../http";
