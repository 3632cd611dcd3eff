/** A small client of the Kubernetes API that sends and receives raw JSON. */
export { KubernetesApi, type ApiOptions, type Connect } from "./api";
export { ApiError, type StatusDetails } from "./error";
export type { Body, KubernetesClient, Method, SendOptions, WatchEvent, WatchOptions } from "./client";
export { connectByKubeconfig } from "./kubeconfig";
export { Resources, type ObjectReference } from "./resources";
export type { Json, JsonObject } from "../../http";
