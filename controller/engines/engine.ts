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
  /** UID of the Checkpoint. With the container's name it identifies the request. */
  readonly id: string;
  /** Path on the node. Default: the engine's remote storage. */
  readonly location?: string;
  /** Whether the container keeps running. */
  readonly leaveRunning: boolean;
}

/** Properties of a completed checkpoint, as far as the engine reports them. */
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

/**
 * Takes checkpoints. No method repeats an operation that may have been executed. All throw EngineError, or the signal's
 * reason if no request was sent.
 */
export interface Engine {
  readonly name: string;
  /** Whether a repeated request with the same id and container returns the outcome of the first one. */
  readonly canResume: boolean;
  /** Objects that the engine reads from the cache. */
  readonly sources?: Controller["sources"];
  /** Time after which the engine no longer works on a request, ms. */
  readonly timeoutMs: number;
  checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult>;
  /** Discards the record of a request whose outcome is written. Not called if the controller crashes before. */
  forget?(id: string, container: string, signal: AbortSignal): Promise<void>;
  /** Discards the records of all other requests. */
  sweep?(isWanted: (id: string) => boolean, signal: AbortSignal): Promise<void>;
}

/** An engine that also restores checkpoints into running pods. Other engines restore when a pod is created. */
export interface RestoreEngine extends Engine {
  restore(request: RestoreRequest, signal: AbortSignal): Promise<void>;
}

export function canRestore(engine: Engine): engine is RestoreEngine {
  return "restore" in engine;
}

/** Failure of a request to an engine. `message` is the engine's own message. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** What is known about the execution of the request. */
  readonly outcome: Outcome;
  /** Whether the request was not executed and may succeed when repeated. */
  readonly retryable: boolean;
  /** Reason of the Checkpoint's failure, if the engine knows a more specific one than `CheckpointFailed`. */
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
