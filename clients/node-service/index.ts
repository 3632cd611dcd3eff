/** Client of the service of the node, `cedana-noded`: takes checkpoints, and prepares restores. */
export { NodeServiceError, type NodeServiceErrorDetails } from "./error";
export type { CheckpointedContainer, CheckpointMetadata, StoredFile } from "./metadata";
export type {
  CheckpointRequest,
  CheckpointResult,
  ContainerOutcome,
  ExportedPart,
  LayRequest,
  NodeService,
  Outcome,
  PartName,
  ServiceState,
  StageRequest,
  StreamDigest,
  TcpPolicy,
} from "./types";
