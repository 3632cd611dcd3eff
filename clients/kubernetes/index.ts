/** A small client of the Kubernetes API that sends and receives raw JSON. */
export { ApiError, KubernetesApi } from "./api";
export { connectByKubeconfig } from "./kubeconfig";
export { Resources, type ObjectReference } from "./resources";
