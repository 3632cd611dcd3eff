/** A client of the REST API of Cedana's manager. */
export { ManagerError, type ManagerErrorDetails, type ManagerOperation, type Outcome } from "./error";
export { ManagerClient, type ManagerClientOptions } from "./manager";
export { CONTAINER_ROOTS } from "./roots";
export type {
  CheckpointOptions,
  ContainerReference,
  CrioRootfsOptions,
  ManagedContainer,
  RestoreOptions,
  RootfsOptions,
} from "./types";
