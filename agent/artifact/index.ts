/** Stores checkpoints of pods as OCI artifacts, and reads them. */
export { ArtifactError } from "./error";
export { deleteCheckpoint, loadMemory, pullCheckpoint } from "./pull";
export { pushCheckpoint } from "./push";
export type {
  DeleteCheckpoint,
  DeleteCheckpointOptions,
  LoadMemory,
  LoadMemoryOptions,
  PullCheckpoint,
  PullCheckpointOptions,
  PushCheckpoint,
  PushCheckpointOptions,
  PushedCheckpoint,
} from "./types";
