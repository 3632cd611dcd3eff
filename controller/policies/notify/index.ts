/** The action `notify`: events of pods, and signed requests to the destinations of the install. */
import type { NotifyAction } from "../../../api";
import type { NotifySettings } from "../../../config/programs/controller";
import type { Controller } from "../../../kube";
import type { Runtime } from "../../runtime";
import type { PodAction } from "../actions";
import { podKey } from "../core/engine";
import type { CheckpointFact, Policy } from "../core/types";
import { Keys } from "../webhook/keys";
import { Deliveries, type Delivery, type Ending } from "./deliveries";
import { bodyOf, causeOf, idOf } from "./message";
import { Pending } from "./pending";
import { sender, type Attempt, type Send } from "./sender";

export type { Attempt, Send } from "./sender";

/** Setting of the install with the destinations. */
const SETTING = "install.policies.notify.destinations";

/** Results of an attempt, and outcomes of a notification. */
const RESULTS: readonly Attempt["is"][] = ["delivered", "failed", "rejected"];
const OUTCOMES: readonly Ending["outcome"][] = ["delivered", "failed", "canceled"];

export interface NotificationsOptions extends Pick<Runtime, "client" | "log" | "metrics"> {
  /** Default: no destinations. */
  readonly settings?: NotifySettings | undefined;
  /** Returns all Checkpoints of a pod's `namespace/name`. */
  readonly checkpointsOf: (pod: string) => readonly CheckpointFact[];
  /** Returns the UID of the namespace kube-system, once it is known. */
  readonly clusterId: () => string | undefined;
  /** Returns whether the policy is in force as it was. */
  readonly isCurrent: (policy: Policy) => boolean;
  /** Called when a notification has ended, with the failure if it was not delivered. `pod` is its `namespace/name`. */
  readonly ended: (
    policy: Policy,
    pod: string,
    failure?: { readonly reason: string; readonly message: string },
  ) => void;
  /** Sends a notification. Default: by HTTPS. */
  readonly send?: Send | undefined;
}

/** How many notifications of a policy wait for delivery, and why the last attempt failed. */
export interface Undelivered {
  readonly count: number;
  readonly cause?: string;
}

/** Sends notifications. */
export class Notifications {
  readonly action: PodAction<NotifyAction>;
  /** Deliver the notifications, on the leader. */
  readonly controllers: readonly Controller[];
  private readonly pending = new Pending();
  private readonly deliveries: ReadonlyMap<string, Deliveries>;
  private readonly ends;

  constructor(private readonly options: NotificationsOptions) {
    const { client, log, metrics, isCurrent } = options;
    const { destinations, namespace } = options.settings ?? { destinations: [], namespace: "" };
    const secrets = destinations.map(({ secret }) => secret.name);
    const { send = sender({ keys: new Keys({ client, secrets, setting: SETTING }), namespace }) } = options;
    const names = destinations.map(({ name }) => name);
    const attempts = metrics.counter(
      "cedana_notification_attempts_total",
      "Number of requests to the destinations of notifications, by result",
      ["destination", "result"],
      names.flatMap((destination) => RESULTS.map((result) => ({ destination, result }))),
    );
    this.ends = metrics.counter(
      "cedana_notifications_total",
      "Number of ended notifications, by destination and outcome",
      ["destination", "outcome"],
      names.flatMap((destination) => OUTCOMES.map((outcome) => ({ destination, outcome }))),
    );
    this.deliveries = new Map(
      destinations.map((destination) => {
        const { name } = destination;
        const ofDestination = new Deliveries({
          destination,
          pending: this.pending,
          send,
          log,
          metrics,
          isCurrent,
          attempted: (result) => attempts.inc({ destination: name, result }),
          ended: (delivery, ending) => this.end(name, delivery, ending),
        });
        return [name, ofDestination];
      }),
    );
    metrics.gauge(
      "cedana_notifications_waiting",
      "Number of notifications that are not delivered yet",
      ["destination"],
      (gauge) => {
        for (const [destination, { size }] of this.deliveries) gauge.set({ destination }, size);
      },
    );
    this.controllers = [...this.deliveries.values()].map((one) => one.controller);
    this.action = this.newAction();
  }

  /** Returns how many notifications of a policy wait for delivery. */
  undelivered(policyUID: string): Undelivered {
    return this.pending.of(policyUID);
  }

  private newAction(): PodAction<NotifyAction> {
    return {
      withoutCheckpoint: true,
      isImmediate: true,
      problem: ({ destination }) => {
        if (destination === undefined || this.deliveries.has(destination)) return undefined;
        const known = [...this.deliveries.keys()];
        return `action.notify.destination ${destination} is not one of ${SETTING}: ${known.length === 0 ? "none is listed" : known.join(", ")}`;
      },
      execute: ({ destination }, run, { events }) => {
        const { policy, pod, deadlineMs } = run;
        const key = podKey(pod);
        const facts = this.options.checkpointsOf(key).filter(({ podUID }) => podUID === pod.uid);
        const cause = causeOf(run, facts);
        const { namespace, name, uid } = pod;
        events.record({
          regarding: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
          type: cause.isWarning ? "Warning" : "Normal",
          reason: "PolicyNotification",
          action: "Notify",
          note: `policy ${policy.name}: ${cause.message}`,
        });
        if (destination !== undefined) {
          const body = bodyOf(run, cause, this.options.clusterId());
          this.deliver(destination, { id: idOf(run), body, policy, pod: key, deadlineMs });
        }
        return Promise.resolve("ended");
      },
    };
  }

  private deliver(destination: string, delivery: Delivery): void {
    const full = this.deliveries.get(destination)?.add(delivery);
    if (full === undefined) return;
    const message = `destination ${destination}: not sent, because ${full}`;
    this.end(destination, delivery, { outcome: "failed", reason: "NotificationQueueFull", message });
  }

  private end(destination: string, { policy, pod }: Delivery, ending: Ending): void {
    const { outcome } = ending;
    this.ends.inc({ destination, outcome });
    if (ending.outcome !== "failed") return this.options.ended(policy, pod);
    const { reason, message } = ending;
    this.options.ended(policy, pod, { reason, message });
  }
}
