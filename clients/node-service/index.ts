/** Client of the service of the node, `cedana-noded`: takes checkpoints, and prepares restores. */
export { NODE_SERVICE_SOCKET, NodeServiceClient } from "./client";
export { NodeServiceError, type NodeServiceErrorDetails } from "./error";
export type { CheckpointedContainer, CheckpointMetadata, StoredFile, TcpPolicy } from "./metadata";
export type {
  CheckpointRequest,
  CheckpointResult,
  DeclineRequest,
  ContainerOutcome,
  ExportedPart,
  ExportedSegment,
  LayRequest,
  LoadRequest,
  LoseRequest,
  NodeService,
  OpenPiece,
  Outcome,
  PartName,
  PodUsage,
  ReplanRequest,
  ReplanResult,
  ServiceState,
  StageRequest,
  StreamDigest,
} from "./types";
