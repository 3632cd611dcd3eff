import type { KubernetesClient } from "../../clients/kubernetes";
import type { Json } from "./json";
import type { Logger } from "./log";
import type { Metrics } from "./metrics";
import type { KubernetesObject } from "./objects";
import type { Store } from "./store";

export interface ReflectorOptions<T extends KubernetesObject> {
  /** Label of its metrics, and `reflector` in its log. */
  readonly name: string;
  readonly client: Pick<KubernetesClient, "send" | "watch">;
  /** Of the collection: `/api/v1/pods`. */
  readonly path: string;
  /** `labelSelector` and `fieldSelector`. */
  readonly query?: Readonly<Record<string, string>>;
  /** Keeps only the fields in use. What it throws is logged, and the object left as it was known. */
  readonly project: (raw: Json) => T;
  readonly store: Store<T>;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "reflector">;
}

/** Keeps a store equal to a collection of the API server. */
export class Reflector<T extends KubernetesObject> {
  readonly name: string;
  /** Settles once the first list is in the store. */
  readonly synced: Promise<void>;
  private contactMs = 0;
  private listed = false;
  private settle = () => {};

  constructor(private readonly options: ReflectorOptions<T>) {
    this.name = options.name;
    this.synced = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  get hasSynced(): boolean {
    return this.listed;
  }

  /** When the API server was last heard of, ms since the epoch; 0 before the first time. */
  get lastContactMs(): number {
    return this.contactMs;
  }

  /** Follows the collection until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return this.settle();
    throw new Error(`${this.options.path}: not built`);
  }
}
