/** Delivers the notifications of one destination. */
import type { NotifyDestination } from "../../../config/install";
import { messageOf } from "../../../http";
import { Backoff, controller, type Controller, type Logger, type Metrics } from "../../../kube";
import type { Policy } from "../core/types";
import type { Attempt, Message, Send } from "./sender";
import type { Pending } from "./pending";

/** Requests of a destination at a time: one that is slow delays no other destination. */
const WORKERS = 4;
/** Delays after failed attempts, with a random part, so that notifications that failed together are spread. */
const BACKOFF = { baseMs: 1000, maxMs: 60_000, jitter: 0.5 } as const;

/** Time over which notifications that waited for the receiver are spread. */
const SPREAD_MS = 1000;

/** A notification for a destination. */
export interface Delivery extends Message {
  readonly policy: Policy;
  /** `namespace/name` of the pod. */
  readonly pod: string;
  readonly deadlineMs: number;
}

/** How a notification ended. `canceled`: its policy was changed, suspended or deleted. */
export type Ending =
  | { readonly outcome: "delivered" | "canceled" }
  | { readonly outcome: "failed"; readonly reason: string; readonly message: string };

export interface DeliveriesOptions {
  readonly destination: NotifyDestination;
  readonly pending: Pending;
  readonly send: Send;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Returns whether the policy is in force as it was. */
  readonly isCurrent: (policy: Policy) => boolean;
  readonly attempted: (result: Attempt["is"]) => void;
  readonly ended: (delivery: Delivery, ending: Ending) => void;
}

interface Waiting extends Delivery {
  readonly backoff: Backoff;
  attempts: number;
}

/** Delivers notifications to one destination, each at least once until its deadline. Namespaces take turns. It keeps them in memory. */
export class Deliveries {
  readonly controller: Controller;
  private readonly waiting = new Map<string, Waiting>();
  private readonly enqueue: (key: string) => void;
  /** Until when the receiver has postponed requests. */
  private pausedUntilMs = 0;

  constructor(private readonly options: DeliveriesOptions) {
    const { destination, log, metrics } = options;
    const name = `notifications-${destination.name}`;
    const builder = controller(name, { log, metrics, workers: WORKERS });
    this.enqueue = (key) => builder.queue.add(key);
    this.controller = builder.reconcile((key, signal) => this.attempt(key, signal));
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Adds a notification. @returns why it cannot be kept; undefined if it is */
  add(delivery: Delivery): string | undefined {
    const { policy, pod, id } = delivery;
    const namespace = pod.slice(0, pod.indexOf("/"));
    const key = `${namespace}/${id}`;
    if (this.waiting.has(key)) return undefined;
    const full = this.options.pending.take(namespace, policy.uid);
    if (full !== undefined) return full;
    this.waiting.set(key, { ...delivery, backoff: new Backoff(BACKOFF), attempts: 0 });
    this.enqueue(key);
    return undefined;
  }

  private async attempt(key: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const { destination, pending, send, log, isCurrent, attempted } = this.options;
    const delivery = this.waiting.get(key);
    if (!delivery) return undefined;
    const { policy, pod, id, backoff, deadlineMs } = delivery;
    if (!isCurrent(policy)) return this.end(key, delivery, { outcome: "canceled" });
    const nowMs = Date.now();
    // The deadline may have passed while it waited for earlier ones.
    if (nowMs >= deadlineMs) return this.later(key, delivery, 0);
    const pauseMs = this.pausedUntilMs - nowMs;
    if (pauseMs > 0) return this.later(key, delivery, pauseMs + SPREAD_MS * Math.random());
    let result: Attempt;
    try {
      result = await send(destination, delivery, signal);
    } catch (error) {
      // The next leader sends it again.
      if (signal.aborted) return undefined;
      result = { is: "failed", cause: "no response", detail: messageOf(error) };
    }
    delivery.attempts++;
    attempted(result.is);
    const about = {
      destination: destination.name,
      policy: policy.name,
      pod,
      id,
      attempts: delivery.attempts,
    };
    if (result.is === "delivered") {
      log.info(about, "notification delivered");
      return this.end(key, delivery, { outcome: "delivered" });
    }
    const { cause, detail = cause, retryAfterMs = 0 } = result;
    log.warn({ ...about, error: detail }, "notification not delivered");
    pending.note(policy.uid, `destination ${destination.name}: ${cause}`);
    if (result.is === "rejected")
      return this.end(key, delivery, {
        outcome: "failed",
        reason: "NotificationRejected",
        message: `destination ${destination.name} rejected the notification: ${cause}`,
      });
    this.pausedUntilMs = Math.max(this.pausedUntilMs, Date.now() + retryAfterMs);
    return this.later(key, delivery, Math.max(retryAfterMs, backoff.next()));
  }

  /** Waits, or ends a notification whose next attempt would be after its deadline. */
  private later(key: string, delivery: Waiting, delayMs: number): { requeueAfterMs: number } | undefined {
    const { policy, attempts, deadlineMs } = delivery;
    if (Date.now() + delayMs < deadlineMs) return { requeueAfterMs: delayMs };
    const cause =
      this.options.pending.of(policy.uid).cause ?? "the destination did not take others in this time";
    return this.end(key, delivery, {
      outcome: "failed",
      reason: "NotificationNotDelivered",
      message: `not delivered within deadlineSeconds, after ${attempts} attempts: ${cause}`,
    });
  }

  private end(key: string, delivery: Waiting, ending: Ending): undefined {
    this.waiting.delete(key);
    this.options.pending.release(key.slice(0, key.indexOf("/")), delivery.policy.uid);
    this.options.ended(delivery, ending);
  }
}
