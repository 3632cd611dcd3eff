/** Client of the kubelet's API: takes checkpoints of containers. */
export { KubeletError, type KubeletErrorDetails } from "./error";
export { KubeletClient, type KubeletClientOptions, type KubeletContainer } from "./kubelet";
