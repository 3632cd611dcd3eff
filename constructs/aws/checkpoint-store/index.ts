export {
  CheckpointStore,
  type CheckpointStoreProps,
  type ICheckpointStore,
  type RoleReference,
} from "./checkpoint-store";
