/** Stores checkpoints of pods as OCI artifacts, and reads them. */
export type {
  PullCheckpoint,
  PullCheckpointOptions,
  PushCheckpoint,
  PushCheckpointOptions,
  PushedCheckpoint,
} from "./types";
