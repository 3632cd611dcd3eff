export interface NodeServiceErrorDetails {
  /** Default: `Unavailable`. */
  readonly reason?: string;
  readonly container?: string;
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** Reason of an error without a response: no service listens, or the connection was closed. */
const UNAVAILABLE = "Unavailable";

/** Reasons with which the service reports a state that passes. */
const TEMPORARY = [
  UNAVAILABLE,
  "Interrupted",
  "InsufficientSpace",
  "CheckpointInFlight",
  "InUse",
  "CheckpointNotStaged",
];

/** A request that the service of the node rejected, failed or did not respond to. */
export class NodeServiceError extends Error {
  override readonly name = "NodeServiceError";
  /** In the form of a condition's reason: `ContainerNotFound`, `DumpFailed`, `Unavailable`. */
  readonly reason: string;
  /** The container that the failure is of. */
  readonly container?: string;
  /** What the user can do. */
  readonly remedy?: string;

  constructor(message: string, { reason, container, remedy, cause }: NodeServiceErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason ?? UNAVAILABLE;
    this.container = container;
    this.remedy = remedy;
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return TEMPORARY.includes(this.reason);
  }
}
