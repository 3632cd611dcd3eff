/** One thing that happened to an object, as `kubectl describe` is to show it. */
export interface EventInput {
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
  };
  readonly type: "Normal" | "Warning";
  /** Why, in CamelCase; at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, in CamelCase; at most 128 characters. */
  readonly action: string;
  /** For a reader; cut at 1024 bytes. */
  readonly note: string;
}

/** Where parts tell of events. */
export interface Events {
  /** Never throws and never waits. */
  record(event: EventInput): void;
}
