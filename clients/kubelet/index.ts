/** A client of the kubelet's own API: has containers checkpointed. */
export { KubeletError, type KubeletErrorDetails } from "./error";
export { KubeletClient, type KubeletClientOptions, type KubeletContainer } from "./kubelet";
