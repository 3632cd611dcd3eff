import type { HealthCheck } from "./health";
import type { Part, PartReflector } from "./part";

/** How late a timer may be, how often that is looked at, and how long it is remembered. */
const STUCK_MS = 10_000;
const BEAT_MS = 1_000;
const REMEMBERED_MS = 60_000;

/**
 * A reflector hears from the API server every 50 s at the latest, since no watch is longer or silent for longer. One that
 * was silent for longer than this does not recover by itself.
 */
const SILENT_MS = 600_000;

/**
 * Fails for a minute after the event loop was stuck for more than 10 s. While it is stuck no probe is answered, and that
 * fails by the probe's own time-out.
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

/** Fails while the lease ran out and the process has not ended. */
export function leaseCheck(elector: { trouble(): string | undefined }): HealthCheck {
  return { name: "leader-election", trouble: () => elector.trouble() };
}

/** One check for each reflector: whether it has its first list. Replicas that do not lead are ready too. */
export function syncChecks(parts: readonly Part[]): HealthCheck[] {
  return reflectorsOf(parts).map((reflector) => ({
    name: `synced-${reflector.name}`,
    trouble: () => (reflector.hasSynced ? undefined : "has not read its first list"),
  }));
}

/**
 * One check for each reflector: whether it heard from the API server in the last 10 minutes. One that never read its list
 * is for `syncChecks` to tell: its kind or its rights may be missing, and a new process would not mend that.
 */
export function contactChecks(parts: readonly Part[]): HealthCheck[] {
  return reflectorsOf(parts).map((reflector) => ({
    name: `contact-${reflector.name}`,
    trouble: () => {
      const silentMs = reflector.hasSynced ? Date.now() - reflector.lastContactMs : 0;
      return silentMs > SILENT_MS
        ? `nothing heard from the API server for ${Math.round(silentMs / 1000)} s`
        : undefined;
    },
  }));
}

function reflectorsOf(parts: readonly Part[]): readonly PartReflector[] {
  return parts.flatMap((part) => part.reflectors);
}
