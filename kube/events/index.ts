/** Events of `events.k8s.io/v1`, aggregated as client-go does. */
import { hasStatus, isFinal, isNotFound } from "../client/errors";
import type { Transport } from "../client/transport";
import { sleep } from "../backoff";
import { EventSeries, eventOf, eventPath, seriesOf, type EventInput, type Occurrence } from "./series";
import type { Logger } from "../log";
import type { Metrics } from "../metrics";

export type { EventInput } from "./series";

/** Records events. */
export interface Events {
  /** Records an event. Never throws and never waits. */
  record(event: EventInput): void;
}

export interface EventRecorderOptions {
  readonly transport: Pick<Transport, "send">;
  /** reportingInstance of the events: this process. */
  readonly identity: string;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "counter">;
}

/** Maximum number of events that wait to be sent. Further ones are dropped. */
const MAX_WAITING = 1_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Delays before the second and third attempt, if the API server cannot be reached. */
const RETRY_MS = [1_000, 5_000];

/** Why an event was not sent. */
const CAUSES = ["budget", "queue", "request"] as const;

/**
 * Writes events of `events.k8s.io/v1`. Repeated events become the series of one Event object, similar events are combined into
 * one, and each object has a budget (client-go's numbers). Events are best effort: an event that cannot be sent is dropped and
 * counted in `cedana_events_dropped_total`.
 */
export class EventRecorder implements Events {
  private readonly series = new EventSeries();
  /** In order of first occurrence. A waiting occurrence also counts its repetitions. */
  private readonly waiting = new Set<Occurrence>();
  private sending: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private readonly dropped;

  constructor(private readonly options: EventRecorderOptions) {
    this.dropped = options.metrics.counter(
      "cedana_events_dropped_total",
      "Events not sent, by cause",
      ["cause"],
      CAUSES.map((cause) => ({ cause })),
    );
  }

  record(event: EventInput): void {
    const now = Date.now();
    const occurrence = this.series.take(event, now);
    if (occurrence === undefined) return this.dropped.inc({ cause: "budget" });
    if (this.waiting.has(occurrence)) return;
    if (this.waiting.size >= MAX_WAITING) return this.dropped.inc({ cause: "queue" });
    this.waiting.add(occurrence);
    this.sending ??= this.drain();
  }

  /** Sends the waiting events, within this time. Failures are no longer retried. */
  async flush(timeoutMs: number): Promise<void> {
    this.stopping.abort();
    const sent = new AbortController();
    await Promise.race([this.sending, sleep(timeoutMs, sent.signal)]);
    sent.abort();
  }

  private async drain(): Promise<void> {
    // Lets the caller continue first.
    await Promise.resolve();
    for (const occurrence of this.waiting) {
      this.waiting.delete(occurrence);
      await this.sendWithRetry(occurrence);
    }
    this.sending = undefined;
  }

  private async sendWithRetry(occurrence: Occurrence): Promise<void> {
    for (const delay of [...RETRY_MS, undefined]) {
      try {
        return await this.send(occurrence);
      } catch (error) {
        const rejected = isFinal(error);
        if (!rejected && delay !== undefined && !this.stopping.signal.aborted) {
          await sleep(delay, this.stopping.signal);
          continue;
        }
        this.dropped.inc({ cause: "request" });
        this.options.log.warn({ err: error, reason: occurrence.event.reason }, "event not written");
        return;
      }
    }
  }

  private async send(occurrence: Occurrence): Promise<void> {
    const { transport, identity } = this.options;
    const bounds = { timeoutMs: REQUEST_TIMEOUT_MS };
    if (occurrence.written) {
      const body = { type: "application/merge-patch+json", content: { series: seriesOf(occurrence) } };
      try {
        await transport.send("PATCH", eventPath(occurrence, occurrence.name), body, bounds);
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        // The API server deletes events after an hour: create a new one.
        occurrence.renew();
      }
    }
    const body = { type: "application/json", content: eventOf(occurrence, identity) };
    try {
      await transport.send("POST", eventPath(occurrence), body, bounds);
    } catch (error) {
      // An earlier attempt succeeded, but its response was lost.
      if (!hasStatus(error, 409)) throw error;
    }
    occurrence.written = true;
  }
}
