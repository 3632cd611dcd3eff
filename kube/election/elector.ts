import { setMaxListeners } from "node:events";
import { hasStatus } from "../client/errors";
import type { Transport } from "../client/transport";
import { sleep } from "../backoff";
import { LeaseClaim } from "./lease";
import type { Logger } from "../log";
import type { Metrics } from "../metrics";

/** Times of client-go's leader election, in ms. */
const LEASE_DURATION_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_PERIOD_MS = 2_000;
/** Candidates retry every 1 to 1.5 retry periods, so that they do not act together. */
const JITTER = 0.5;
/** Time to release the lease. If that fails, the next holder waits until it expires. */
const RELEASE_TIMEOUT_MS = 2_000;

export interface LeaderElectorOptions {
  readonly transport: Pick<Transport, "send">;
  /** Namespace and name of the Lease. */
  readonly namespace: string;
  readonly name: string;
  /** Different for every process, also after a restart in the same pod. */
  readonly identity: string;
  /** How long other candidates wait after the last renewal that they saw. Default: 15,000. */
  readonly leaseDurationMs?: number;
  /** How long the holder may write after its last renewal. Default: 10,000. */
  readonly renewDeadlineMs?: number;
  /** Time between two attempts. Default: 2,000. */
  readonly retryPeriodMs?: number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "leading">;
}

/** Holds a Lease, with the rules and times of client-go. `run` is called once. */
export class LeaderElector {
  private readonly durationMs: number;
  private readonly deadlineMs: number;
  private readonly retryMs: number;
  private readonly claim: LeaseClaim;
  /** When the last request began that took or renewed the lease, by `performance.now()`; undefined without the lease. */
  private renewedMs?: number;
  private leads = false;

  /** @throws RangeError unless leaseDurationMs > renewDeadlineMs > 1.5 * retryPeriodMs > 0. */
  constructor(private readonly options: LeaderElectorOptions) {
    this.durationMs = options.leaseDurationMs ?? LEASE_DURATION_MS;
    this.deadlineMs = options.renewDeadlineMs ?? RENEW_DEADLINE_MS;
    this.retryMs = options.retryPeriodMs ?? RETRY_PERIOD_MS;
    const longestRetryMs = (1 + JITTER) * this.retryMs;
    if (!(this.durationMs > this.deadlineMs && this.deadlineMs > longestRetryMs && this.retryMs > 0))
      throw new RangeError(
        `leaseDurationMs ${this.durationMs} > renewDeadlineMs ${this.deadlineMs} > ${longestRetryMs} ` +
          `(${1 + JITTER} retryPeriodMs) > 0 must hold`,
      );
    this.claim = new LeaseClaim({ ...options, durationMs: this.durationMs });
    options.metrics.leading(options.name, false);
  }

  /** Checks whether a write may start now. */
  mayWrite(): boolean {
    return this.renewedMs !== undefined && performance.now() < this.renewedMs + this.deadlineMs;
  }

  /**
   * Returns how long a write that starts now may take, ms: it must end before another process can hold the lease, less a
   * fifth of the time between deadline and duration for clocks that run at different speeds. 0 if none may start.
   */
  remainingMs(): number {
    if (this.renewedMs === undefined || !this.mayWrite()) return 0;
    const margin = (this.durationMs - this.deadlineMs) / 5;
    return this.renewedMs + this.durationMs - margin - performance.now();
  }

  /** Returns the failure for a probe: the lease expired and the process has not ended. */
  failure(): string | undefined {
    if (!this.leads || this.mayWrite()) return undefined;
    return `lease ${this.options.name} was not renewed for ${this.deadlineMs} ms, and the process has not ended`;
  }

  /**
   * Waits for the lease, then calls `lead` once and keeps the lease.
   *
   * After `signal`, `leading` is aborted, `lead` is awaited with the lease still renewed, and the lease is released:
   * "released", also if it never led. If the lease cannot be kept, `leading` is aborted and "lost" returned at once,
   * without waiting for `lead`: the process should end.
   *
   * @throws what `lead` throws; Error if `lead` ends before the signal
   */
  async run(
    signal: AbortSignal,
    lead: (leading: AbortSignal) => Promise<void>,
  ): Promise<"released" | "lost"> {
    if (!(await this.acquire(signal))) return "released";
    this.setLeads(true);
    const leading = new AbortController();
    setMaxListeners(0, leading.signal); // Every controller listens.
    const keeping = new AbortController();
    const stop = () => leading.abort();
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    const led = lead(leading.signal).then(() => "ended" as const);
    try {
      const outcome = await Promise.race([led, this.keep(keeping.signal)]);
      if (outcome === "lost") return outcome;
      if (!signal.aborted) throw new Error("leading ended before the signal");
      keeping.abort();
      await this.release();
      return "released";
    } finally {
      this.renewedMs = undefined;
      keeping.abort();
      stop();
      signal.removeEventListener("abort", stop);
      this.setLeads(false);
      // After a lost lease it is not awaited.
      led.catch(() => undefined);
    }
  }

  private setLeads(leads: boolean): void {
    this.leads = leads;
    const { name, identity, metrics, log } = this.options;
    metrics.leading(name, leads);
    log.info({ lease: name, identity }, leads ? "leading" : "no longer leading");
  }

  /** Retries until this process holds the lease; false if the signal came first. */
  private async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      this.renewedMs = await this.round(this.deadlineMs / 2, signal);
      if (this.mayWrite()) return true;
      await sleep(this.untilNextTryMs(), signal);
    }
    // The last request may have taken the lease although its response was not awaited.
    if (this.claim.unsure) await this.release();
    return false;
  }

  /** Returns the delay of a candidate: a jittered period, or less if the observed lease expires before. */
  private untilNextTryMs(): number {
    const periodMs = this.retryMs * (1 + Math.random() * JITTER);
    const leftMs = this.claim.leftMs();
    return leftMs > 0 && leftMs < periodMs ? leftMs : periodMs;
  }

  /** Renews until that fails for the deadline or another holds the lease. Does not settle after the signal. */
  private async keep(signal: AbortSignal): Promise<"lost"> {
    const { name, log } = this.options;
    for (;;) {
      await sleep(Math.min(this.retryMs, this.untilDeadlineMs()), signal);
      const beganMs = this.mayWrite() ? await this.roundBefore(this.untilDeadlineMs(), signal) : undefined;
      if (signal.aborted) return new Promise(() => undefined);
      if (beganMs !== undefined) this.renewedMs = beganMs;
      const taken = this.claim.holder !== this.options.identity;
      if (this.mayWrite() && !taken) continue;
      this.renewedMs = undefined;
      log.error(
        { lease: name, holder: this.claim.holder },
        taken ? "another process holds the lease" : "lease not renewed in time",
      );
      return "lost";
    }
  }

  private untilDeadlineMs(): number {
    return Math.max(0, (this.renewedMs ?? 0) + this.deadlineMs - performance.now());
  }

  /** Makes one attempt, and awaits it no longer than `ms`, whatever the transport does. */
  private async roundBefore(ms: number, signal: AbortSignal): Promise<number | undefined> {
    const done = new AbortController();
    const stop = () => done.abort();
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([
        this.round(Math.min(this.deadlineMs / 2, ms), signal),
        sleep(ms, done.signal).then(() => undefined),
      ]);
    } finally {
      stop();
      signal.removeEventListener("abort", stop);
    }
  }

  /** Makes one attempt. Logs failures. @returns when the request started that acquired or renewed the lease */
  private async round(timeoutMs: number, signal: AbortSignal): Promise<number | undefined> {
    try {
      return await this.claim.claim({ timeoutMs, signal });
    } catch (error) {
      const { name, log } = this.options;
      if (signal.aborted) return undefined;
      if (hasStatus(error, 409)) log.debug({ lease: name }, "another process wrote the lease first");
      else log.warn({ lease: name, err: error }, "lease: request failed");
      return undefined;
    }
  }

  /** Releases the lease, in two attempts: an aborted renewal may be executed between read and write. */
  private async release(): Promise<void> {
    const { name, log } = this.options;
    this.renewedMs = undefined;
    for (const last of [false, true]) {
      try {
        return await this.claim.release({ timeoutMs: RELEASE_TIMEOUT_MS / 2 });
      } catch (error) {
        if (last) log.warn({ lease: name, err: error }, "lease not released: it expires by itself");
      }
    }
  }
}
