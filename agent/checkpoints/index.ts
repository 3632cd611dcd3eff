/** What the agent of a node does: NodeCheckpoints, from the question to the kubelet to the image in the registry. */
export { runAgent, type RunAgentOptions } from "./run";
