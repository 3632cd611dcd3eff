import { parseQuantity } from "../../config/schema";
import type { SandboxObject } from "./objects";

/** How long a sandbox pod is counted that was created, while the cache does not have it, ms. */
const UNCONFIRMED_MS = 300_000;
const NANO = 1e9;

export interface RoomOptions {
  readonly maxInFlight: number;
  /** Total of the requests, by resource. */
  readonly maxRequests?: Readonly<Record<string, string>> | undefined;
  /** Returns the sandbox pods of the cache. */
  readonly pods: () => readonly Pick<SandboxObject, "metadata" | "requests">[];
}

type Requests = Readonly<Record<string, bigint>>;

interface Taken {
  readonly requests: Requests;
  readonly untilMs: number;
  readonly inDoubt?: boolean;
}

/** Limits the sandbox pods that exist at a time: those of the cache, and those just requested. */
export class Rooms {
  /** By the key of the sandbox pod. */
  private readonly requested = new Map<string, Taken>();

  constructor(private readonly options: RoomOptions) {}

  /**
   * Returns why no further sandbox pod may be created; undefined if one may.
   * @param key of the pod to create, which does not count: its attempt is repeated. Without: whether no pod at all may, not even one
   * whose attempt is repeated
   */
  full(nowMs: number, key?: string): string | undefined {
    const { maxInFlight } = this.options;
    return this.counted(nowMs, key).length >= maxInFlight
      ? `${maxInFlight} sandbox pods exist (install.policies.verify.maxInFlight)`
      : undefined;
  }

  /** Returns why the pod of the key, with these requests, can never be created, or cannot be now. Undefined if it can. */
  lacks(
    key: string,
    requests: Requests,
    nowMs: number,
  ): { readonly never: boolean; readonly cause: string } | undefined {
    const counted = this.counted(nowMs, key);
    for (const [name, text] of Object.entries(this.options.maxRequests ?? {})) {
      const limit = parseQuantity(text) ?? 0n;
      const own = requests[name] ?? 0n;
      const used = counted.reduce((sum, one) => sum + (one[name] ?? 0n), 0n);
      const why = `the sandbox pod requests ${Number(own) / NANO} of ${name}`;
      const maximum = `install.policies.verify.maxRequests.${name} is ${text}`;
      if (own > limit) return { never: true, cause: `${why}, and ${maximum}` };
      if (own + used > limit)
        return { never: false, cause: `${why}, others ${Number(used) / NANO}, and ${maximum}` };
    }
    return undefined;
  }

  /** Counts a sandbox pod that is about to be created. */
  take(key: string, requests: Requests, nowMs: number): void {
    this.requested.set(key, { requests, untilMs: nowMs + UNCONFIRMED_MS });
  }

  /** Records that it is unknown whether a sandbox pod was created: the attempt is repeated. */
  doubt(key: string): void {
    const taken = this.requested.get(key);
    if (taken) this.requested.set(key, { ...taken, inDoubt: true });
  }

  /** Stops counting a sandbox pod that was not created, or that the cache has or had. */
  release(key: string): void {
    this.requested.delete(key);
  }

  private counted(nowMs: number, except?: string): readonly Requests[] {
    for (const [key, { untilMs }] of this.requested) if (untilMs <= nowMs) this.requested.delete(key);
    const counted = new Map<string, Requests>();
    for (const [key, { requests, inDoubt }] of this.requested)
      if (except !== undefined || !inDoubt) counted.set(key, requests);
    for (const { metadata, requests } of this.options.pods())
      counted.set(`${metadata.namespace}/${metadata.name}`, requests);
    if (except !== undefined) counted.delete(except);
    return [...counted.values()];
  }
}
