/** Checkpoints as objects of the cluster, and Cedana's own kind. */
export { Checkpoints, type CheckpointsOptions } from "./part";
