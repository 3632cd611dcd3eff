import type { RegistryAccess } from "../../clients/registry";
import type { Outcome } from "../../http";
import type { CheckpointEndReason, CheckpointStatus, ContainerCheckpoint, RestartPolicy } from "../../api";
import type { CheckpointSettings } from "../../config/programs/controller";
import type { Repositories } from "../../config/programs";
import type { Controller } from "../../kube";
import type { Runtime } from "../runtime";

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
  "checkpointID" | "location" | "sizeBytes" | "architecture" | "baseImage" | "notRestored"
>;

/** A request for all these containers of a pod at one moment. */
export interface PodCheckpointRequest extends Omit<CheckpointRequest, "container"> {
  readonly containers: readonly string[];
  /** Their images by digest, as far as they are known. */
  readonly baseImages: readonly { readonly name: string; readonly image: string }[];
  /**
   * Called from time to time once the request takes longer than the engine's timeout, with the reason for people: the engine
   * waits as long as the checkpoint can still be saved. What it throws ends the request.
   */
  readonly late?: (message: string) => Promise<void>;
  /** Called when the engine reports why the request is not finished yet. What it throws ends the request. */
  readonly progress?: (message: string) => Promise<void>;
}

/** Result of a checkpoint of several containers, with the properties of the whole. */
export interface PodCheckpointResult extends Pick<CheckpointStatus, "sizeBytes" | "frozenMilliseconds"> {
  /** By name of the container. */
  readonly containers: ReadonlyMap<string, CheckpointResult>;
}

/**
 * How a pod that is created is restored: by a plan that the agent of its node prepares on request of a NodeRestore. Only artifacts of
 * these repositories are restored.
 */
export interface PlanRestore extends Repositories {
  /** Namespace of the agents, and of the NodeRestore objects. */
  readonly namespace: string;
  /** Names of the RuntimeClasses whose handler restores, by architecture. */
  readonly runtimeClasses: Readonly<Record<string, string | undefined>>;
  readonly restart: RestartPolicy;
  readonly lazy: boolean;
  /** Seconds after the creation of a NodeRestore from which on no restore of its pod begins. */
  readonly timeoutSeconds: number;
}

/** How the artifacts of an engine are deleted in their registry. */
export interface EngineArtifacts {
  readonly repositories: Repositories;
  readonly registry: RegistryAccess;
  /** Seconds after its deletion at which a Checkpoint is released without its artifact. */
  readonly waitSeconds: number;
  readonly orphans: "off" | "report" | "delete";
  readonly orphanHours: number;
  /** Returns whether an agent may push the artifact of a Checkpoint, by its UID. */
  readonly isPending: (uid: string) => boolean;
}

export interface RestoreRequest extends EngineContainer {
  readonly checkpointID?: string;
  readonly location?: string;
}

/**
 * Returns whether the Checkpoint of a request is open, or has ended or was deleted. It is unknown for a namespace that the
 * install does not have any more.
 *
 * @param id UID of the Checkpoint
 * @param namespace of its pod
 */
export type StateOfRequest = (id: string, namespace: string) => "open" | "closed" | "unknown";

/**
 * What all engines have in common. No method repeats an operation that may have been executed. All throw EngineError, or the signal's
 * reason if no request was sent.
 */
interface EngineBase {
  readonly name: string;
  /** Whether a repeated request with the same id and container returns the outcome of the first one. */
  readonly canResume: boolean;
  /** Whether `Cedana` objects request its checkpoints and restores. Their kind is installed with such an engine. */
  readonly handlesCedanas: boolean;
  /** How pods that are created are restored from its checkpoints. Undefined: they are not. */
  readonly restoreMethod?: PlanRestore;
  /** Undefined: no artifact is deleted. */
  readonly artifacts?: EngineArtifacts;
  /** Objects that the engine reads from the cache. */
  readonly sources?: Controller["sources"];
  /** Time after which the engine no longer works on a request, ms. */
  readonly timeoutMs: number;
  /**
   * Discards the records of a Checkpoint's requests whose outcome is written. Not called if the controller crashes before.
   */
  forget?(id: string, signal: AbortSignal): Promise<void>;
  /** Discards the records of requests that no Checkpoint needs. */
  sweep?(stateOf: StateOfRequest, signal: AbortSignal): Promise<void>;
}

/** Takes a checkpoint of one container after the other. */
export interface ContainerEngine extends EngineBase {
  checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult>;
}

/** Takes a checkpoint of several containers of a pod at one moment. */
export interface PodEngine extends EngineBase {
  checkpointPod(request: PodCheckpointRequest, signal: AbortSignal): Promise<PodCheckpointResult>;
}

/** Takes checkpoints. */
export type Engine = ContainerEngine | PodEngine;

export function checkpointsPods(engine: Engine): engine is PodEngine {
  return "checkpointPod" in engine;
}

/** An engine that also restores checkpoints into running pods. Other engines restore when a pod is created. */
export interface RestoreEngine extends ContainerEngine {
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
  readonly reason?: CheckpointEndReason;

  constructor(
    message: string,
    details: {
      readonly outcome: Outcome;
      readonly retryable: boolean;
      readonly reason?: CheckpointEndReason;
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.outcome = details.outcome;
    this.retryable = details.retryable;
    this.reason = details.reason;
  }
}

/** Returns the error for a request that the engine does not support. */
export function refusal(message: string): EngineError {
  return new EngineError(message, { outcome: "refused", retryable: false });
}

/** Returns the object without undefined properties. */
export function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as never;
}

/** Creates the engine from its settings. */
export type EngineFactory<S extends CheckpointSettings> = (settings: S, tools: EngineTools) => Engine;

/** What engines use of the controller. `client` writes only while this process leads. */
export type EngineTools = Pick<Runtime, "cache" | "client" | "log" | "metrics">;
