/**
 * The engine `kubelet`: checkpoints by the kubelet, stored as images.
 * @module cedana-cdk/kubernetes/engines/kubelet
 */
export { HEALTH_CONDITION } from "../../../../config/programs/agent";
export { AgentRemoval, KubeletAgent } from "./agent";
export { KubeletEngine } from "./engine";
