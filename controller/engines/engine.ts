import type { Outcome } from "../../http";
import type { CheckpointReason, ContainerCheckpoint } from "../../api/checkpoint";
import type { Controller } from "../../kube";

/** One container of a pod on a node. */
export interface EngineContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly podUID: string;
  readonly nodeName: string;
  readonly container: string;
}

export interface CheckpointRequest extends EngineContainer {
  /** UID of the Checkpoint: with the container's name it names what is asked. */
  readonly id: string;
  /** Path of the engine. Default: its remote storage. */
  readonly location?: string;
  /** Whether the container runs on. */
  readonly leaveRunning: boolean;
}

/** What an engine says of a checkpoint that it has taken. */
export type CheckpointResult = Pick<
  ContainerCheckpoint,
  | "checkpointID"
  | "location"
  | "sizeBytes"
  | "architecture"
  | "baseImage"
  | "frozenMilliseconds"
  | "notRestored"
>;

export interface RestoreRequest extends EngineContainer {
  readonly checkpointID?: string;
  readonly location?: string;
}

/** A checkpoint that an engine has taken. */
export interface CheckpointReference {
  readonly namespace: string;
  readonly nodeName?: string;
  readonly checkpointID?: string;
  readonly location?: string;
}

/**
 * What takes checkpoints and restores them. No method repeats what may have been done. All throw EngineError, or the
 * signal's reason if nothing was asked yet.
 */
export interface Engine {
  readonly name: string;
  /** Whether `delete` deletes. */
  readonly canDelete: boolean;
  /**
   * Whether a question that was asked before, with the same id and container, is not a second one: who asks again hears what
   * came of the first.
   */
  readonly canResume: boolean;
  /** Objects that the engine reads from the cache. */
  readonly sources?: Controller["sources"];
  /** After so long an engine no longer works on what it was asked, ms. */
  readonly timeoutMs: number;
  checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult>;
  /** What came of a checkpoint is written: the engine need not know it any more. It may not be called after a crash. */
  forget?(id: string, container: string, signal: AbortSignal): Promise<void>;
  /** Forgets all but what is still asked for. */
  sweep?(isWanted: (id: string) => boolean, signal: AbortSignal): Promise<void>;
  restore(request: RestoreRequest, signal: AbortSignal): Promise<void>;
  /** Containers of a namespace that the engine could checkpoint. */
  list(namespace: string, signal: AbortSignal): Promise<readonly { pod?: string; container?: string }[]>;
  /** Settles also if there is no such checkpoint any more. */
  delete(reference: CheckpointReference, signal: AbortSignal): Promise<void>;
  /** Settles if the engine can be asked. */
  health(signal: AbortSignal): Promise<void>;
}

/** An engine did not do what it was asked. `message` is what it said, as said. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** What is known of what came of it. */
  readonly outcome: Outcome;
  /** Whether it may be asked again without doing it twice, and may then do it. */
  readonly retryable: boolean;
  /** Why the Checkpoint failed, where the engine knows it better than `CheckpointFailed`. */
  readonly reason?: CheckpointReason;

  constructor(
    message: string,
    details: {
      readonly outcome: Outcome;
      readonly retryable: boolean;
      readonly reason?: CheckpointReason;
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.outcome = details.outcome;
    this.retryable = details.retryable;
    this.reason = details.reason;
  }
}
