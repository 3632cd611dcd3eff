import type { Cache, Client, Events, Logger, Metrics } from "../kube";

/** Dependencies of every controller. */
export interface Runtime {
  readonly cache: Cache;
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly events: Events;
  readonly log: Logger;
  readonly metrics: Metrics;
}
