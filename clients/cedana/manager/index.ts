/** Client of the REST API of Cedana's manager. */
export { ManagerClient, type ManagerClientOptions } from "./client";
export { ManagerError, type ManagerErrorDetails, type ManagerOperation } from "./errors";
export {
  CONTAINER_ROOTS,
  type CheckpointOptions,
  type ContainerReference,
  type CrioRootfsOptions,
  type RestoreOptions,
  type RootfsOptions,
} from "./responses";
