/** What the process needs to know of a reflector. */
export interface PartReflector {
  readonly name: string;
  /** Follows the API until the signal. */
  run(signal: AbortSignal): Promise<void>;
  /** Settles once the first list is in the store. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** When the API server was last heard of, ms since the epoch; 0 before the first time. */
  readonly lastContactMs: number;
}

/** One job of the controller, such as the readiness gate: what it reads always, and what it does while it leads. */
export interface Part {
  readonly name: string;
  /** Run on every replica, so that a new leader starts with warm stores. */
  readonly reflectors: readonly PartReflector[];
  /**
   * Runs the workers. Called once, with the lease held and all reflectors synced. After the signal it finishes what is
   * under way and resolves; it resolves for no other reason.
   */
  lead(signal: AbortSignal): Promise<void>;
}
