/** The checkpoint agent of a node: requests checkpoints from the kubelet and pushes them as images. */
export { runAgent, type RunAgentOptions } from "./run";
