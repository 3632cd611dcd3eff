import type { HealthCheck } from "./health";
import type { Informer } from "../cache/cache";

/** How late a timer may be, how often that is measured, and how long a stuck loop is reported. */
const STUCK_MS = 10_000;
const BEAT_MS = 1_000;
const REMEMBERED_MS = 60_000;

/**
 * The API server responds to an informer every 50 s at the latest, since no watch is longer or silent for longer. An
 * informer without a response for longer than this does not recover by itself.
 */
const SILENT_MS = 600_000;

/**
 * Fails for a minute after the event loop was stuck for more than 10 s. While it is stuck no probe gets a response, and fails
 * by its timeout.
 */
export class EventLoopCheck implements HealthCheck {
  readonly name = "event-loop";
  private lastMs = performance.now();
  private stuck?: { readonly ms: number; readonly atMs: number };
  private readonly timer = setInterval(() => this.beat(), BEAT_MS).unref();

  trouble(): string | undefined {
    const { stuck } = this;
    if (stuck === undefined || performance.now() - stuck.atMs > REMEMBERED_MS) return undefined;
    return `was stuck for ${Math.round(stuck.ms)} ms`;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    const now = performance.now();
    const ms = now - this.lastMs - BEAT_MS;
    this.lastMs = now;
    if (ms > STUCK_MS) this.stuck = { ms, atMs: now };
  }
}

/** Fails while the lease has expired and the process has not ended. */
export function leaseCheck(elector: { trouble(): string | undefined }): HealthCheck {
  return { name: "leader-election", trouble: () => elector.trouble() };
}

/** Checks of each informer whether it has its first list. Replicas that do not lead are ready too. */
export function syncChecks(informers: readonly Informer[]): HealthCheck[] {
  return informers.map((informer) => ({
    name: `synced-${informer.name}`,
    trouble: () => (informer.hasSynced ? undefined : "has not read its first list"),
  }));
}

/**
 * Checks of each informer whether the API server responded in the last 10 minutes. One without its first list is reported by
 * `syncChecks`: its kind or permission may be missing, and a restart would not fix that.
 */
export function contactChecks(informers: readonly Informer[]): HealthCheck[] {
  return informers.map((informer) => ({
    name: `contact-${informer.name}`,
    trouble: () => {
      const silentMs = informer.hasSynced ? Date.now() - informer.lastContactMs : 0;
      return silentMs > SILENT_MS
        ? `no response of the API server for ${Math.round(silentMs / 1000)} s`
        : undefined;
    },
  }));
}
