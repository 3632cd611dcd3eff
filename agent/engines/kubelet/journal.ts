import type { CheckpointEntry } from "../../work";

/**
 * Progress of the checkpoint of a container by the kubelet.
 * - `requested`: written before the request is sent to the kubelet
 * - `archived`: the kubelet responded, or the archive was found
 * - `finished`: only the archive must be deleted and the status written
 */
export interface JournalEntry extends CheckpointEntry {
  readonly phase: "requested" | "archived" | "finished";
  /** When the last request was sent, ms since the epoch; missing if it certainly failed. */
  readonly requestedMs?: number;
  /** Archives of the container that existed before the request. */
  readonly before: readonly string[];
  /** Path of the archive, once known. */
  readonly archive?: string;
  /** The archive was found after a lost response: it may be partial. */
  readonly adopted?: boolean;
}
