/** Reconciles Checkpoints and Cedanas. */
export { checkpointControllers, type CheckpointOptions } from "./controller";
