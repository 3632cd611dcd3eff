import type { CachedObjects, Client, CustomResource, Kind, Logger } from "../../kube";
import type { Identity } from "../../clients/registry";

/** What the agent gives to its engine. */
export interface EngineTools {
  readonly client: Client;
  /** Returns the objects of this node, of a kind in the agent's namespace. */
  objects<Spec, Status>(
    kind: Kind<CustomResource<Spec, Status>>,
  ): CachedObjects<CustomResource<Spec, Status>>;
  readonly identity: Identity;
  readonly log: Logger;
  /** Starts no further job. */
  readonly stop: AbortSignal;
}

/** Processes the objects of one kind. */
export interface Runner {
  /** Resolves when the objects were read. */
  readonly synced: Promise<unknown>;
  /** @throws errors of the file system, if the state directory cannot be used */
  start(): Promise<void>;
  /** Resolves when no job is in progress. */
  drained(): Promise<void>;
}
