export { CheckpointStore, type CheckpointStoreProps } from "./checkpoint-store";
export type { ICheckpointStore, RoleReference } from "./types";
