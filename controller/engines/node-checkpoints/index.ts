/** Checkpoints by the agents of the nodes, on request of NodeCheckpoint objects. */
export { NodeCheckpoints } from "./node-checkpoints";
export type { Place } from "./client";
