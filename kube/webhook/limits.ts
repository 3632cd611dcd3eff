import type { Socket } from "node:net";
import { BoundedMap } from "../bounded-map";
import { FairKeys } from "../controller/fair-keys";

/** Limits of one resource, for all clients together and for one source address. */
export interface Limit {
  readonly total: number;
  readonly perSource: number;
}

/** Why a connection or request was refused. */
export const REFUSALS = ["connections", "bytes", "size", "time", "requests"] as const;
export type Refusal = (typeof REFUSALS)[number];

/** New connections of one source: each costs a TLS handshake. `burst` at once, then `perSecond`. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Sources whose rate is remembered. */
const MAX_RATES = 10_000;

/** Limits how often something happens for a source: a bucket of tokens each. */
export class RateLimit {
  private readonly buckets = new BoundedMap<{ tokens: number; atMs: number }>(MAX_RATES);

  constructor(private readonly rate: Rate) {}

  /** Takes a token. @returns false if the source has none */
  take(source: string, nowMs: number): boolean {
    const { burst, perSecond } = this.rate;
    const { tokens, atMs } = this.buckets.get(source) ?? { tokens: burst, atMs: nowMs };
    const left = Math.min(burst, tokens + ((nowMs - atMs) / 1000) * perSecond);
    this.buckets.set(source, { tokens: left >= 1 ? left - 1 : left, atMs: nowMs });
    return left >= 1;
  }
}

/** Returns the address of the client; without one, all such clients are one source. */
export function sourceOf({ remoteAddress }: Pick<Socket, "remoteAddress">): string {
  return remoteAddress ?? "unknown";
}

/**
 * Limits the open connections. A new connection beyond the total replaces the oldest one of the source with the most, so that
 * sources with few connections are always served.
 */
export class ConnectionLimit {
  private readonly bySource = new Map<string, Set<Socket>>();
  private count = 0;

  /** @param onRefused called for each connection that is ended */
  constructor(
    private readonly limit: Limit,
    private readonly onRefused: () => void,
    private readonly rate?: RateLimit,
  ) {}

  /** Counts a new connection until it closes, or ends it. @returns whether it was accepted */
  accept(socket: Socket): boolean {
    const source = sourceOf(socket);
    const own = this.bySource.get(source) ?? new Set();
    const mayOpen = this.rate?.take(source, performance.now()) ?? true;
    if (
      !mayOpen ||
      own.size >= this.limit.perSource ||
      (this.count >= this.limit.total && !this.makeRoom(own.size))
    ) {
      this.onRefused();
      socket.destroy();
      return false;
    }
    own.add(socket);
    this.bySource.set(source, own);
    this.count++;
    socket.once("close", () => this.drop(source, socket));
    return true;
  }

  /** Ends a connection of a source that then still has more than this number. */
  private makeRoom(than: number): boolean {
    let [most, largest]: [string | undefined, number] = [undefined, than + 1];
    for (const [source, { size }] of this.bySource) if (size > largest) [most, largest] = [source, size];
    const [oldest] = (most !== undefined && this.bySource.get(most)) || [];
    if (most === undefined || oldest === undefined) return false;
    this.drop(most, oldest);
    this.onRefused();
    oldest.destroy();
    return true;
  }

  private drop(source: string, socket: Socket): void {
    const own = this.bySource.get(source);
    if (!own?.delete(socket)) return;
    this.count--;
    if (own.size === 0) this.bySource.delete(source);
  }
}

/** Limits an amount that requests hold at the same time, such as bytes. */
export class Budget {
  private readonly bySource = new Map<string, number>();
  private used = 0;

  constructor(private readonly limit: Limit) {}

  /** @returns whether the amount was taken. Each one that was must be given back */
  take(source: string, amount: number): boolean {
    const own = this.bySource.get(source) ?? 0;
    if (own + amount > this.limit.perSource || this.used + amount > this.limit.total) return false;
    this.bySource.set(source, own + amount);
    this.used += amount;
    return true;
  }

  give(source: string, amount: number): void {
    const left = (this.bySource.get(source) ?? 0) - amount;
    this.used -= amount;
    if (left > 0) this.bySource.set(source, left);
    else this.bySource.delete(source);
  }
}

/** Runs a limited number of requests at the same time. The others wait, and sources take turns. */
export class Slots {
  private readonly budget: Budget;
  private readonly waiting = new FairKeys();
  private readonly starts = new Map<string, { readonly source: string; readonly start: () => void }>();
  private count = 0;

  constructor(limit: Limit) {
    this.budget = new Budget(limit);
  }

  /** Runs the work once there is a slot. */
  async run<T>(source: string, work: () => Promise<T>): Promise<T> {
    if (!this.budget.take(source, 1)) await this.turn(source);
    try {
      return await work();
    } finally {
      this.budget.give(source, 1);
      this.startNext();
    }
  }

  private turn(source: string): Promise<void> {
    const key = `${source}/${++this.count}`;
    return new Promise((start) => {
      this.starts.set(key, { source, start });
      this.waiting.add(key);
    });
  }

  private startNext(): void {
    // Sources that hold all of their slots keep their place.
    for (let tried = this.waiting.size; tried > 0; tried--) {
      const key = this.waiting.shift() ?? "";
      const next = this.starts.get(key);
      if (next === undefined) return;
      if (this.budget.take(next.source, 1)) {
        this.starts.delete(key);
        next.start();
        return;
      }
      this.waiting.add(key);
    }
  }
}
