/** Stores checkpoints of pods as OCI artifacts, and reads them. */
export { ArtifactError } from "./error";
export { deleteCheckpoint, pullCheckpoint } from "./pull";
export { pushCheckpoint } from "./push";
export type {
  DeleteCheckpoint,
  DeleteCheckpointOptions,
  PullCheckpoint,
  PullCheckpointOptions,
  PushCheckpoint,
  PushCheckpointOptions,
  PushedCheckpoint,
} from "./types";
