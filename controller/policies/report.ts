import type { PolicyFailure } from "../../api";
import type { Events, Logger, Metrics } from "../../kube";
import { OUTCOMES, type Outcome } from "./core/outcome";
import type { Policy, Run } from "./core/types";
import { CLUSTER_POLICY, POLICY } from "./objects";

/** Upper bounds in seconds, up to the default of `deadlineSeconds`. */
const BUCKETS = [0.1, 0.5, 1, 5, 30, 60, 300, 600];

export interface ReportOptions {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Names of the triggers. */
  readonly triggers: readonly string[];
}

/** Measures all policies together: how many there are, and what they have in flight and waiting. */
export function measurePolicies(
  metrics: Metrics,
  totals: () => { readonly policies: number; readonly inFlight: number; readonly waiting: number },
): void {
  metrics.gauge("cedana_policies", "Number of policies", [], (gauge) => gauge.set(totals().policies));
  metrics.gauge(
    "cedana_policy_checkpoints_in_flight",
    "Number of Checkpoints of policies that have not ended",
    [],
    (gauge) => gauge.set(totals().inFlight),
  );
  metrics.gauge(
    "cedana_policy_actions_waiting",
    "Number of actions of policies that are due and wait for a limit",
    [],
    (gauge) => gauge.set(totals().waiting),
  );
}

/** Reports what policies do by log, events and metrics. */
export class Report {
  private readonly total;
  private readonly delay;

  constructor(private readonly options: ReportOptions) {
    const { metrics, triggers } = options;
    this.total = metrics.counter(
      "cedana_policy_actions_total",
      "Number of actions of policies that were due, by trigger and outcome",
      ["trigger", "outcome"],
      triggers.flatMap((trigger) => OUTCOMES.map((outcome) => ({ trigger, outcome }))),
    );
    this.delay = metrics.histogram(
      "cedana_policy_start_delay_seconds",
      "Time from when an action of a policy was due to its start, in seconds",
      ["trigger"],
      BUCKETS,
    );
  }

  outcome(
    outcome: Outcome,
    trigger: string,
    { policy, pod, dueMs }: Pick<Run, "policy" | "pod" | "dueMs">,
    nowMs: number,
  ): void {
    this.total.inc({ trigger, outcome });
    if (outcome !== "started") return;
    this.delay.observe({ trigger }, Math.max(0, nowMs - dueMs) / 1000);
    const { name, namespace } = pod;
    this.options.log.info({ policy: policy.name, namespace, pod: name, trigger }, "checkpoint requested");
  }

  failed(policy: Policy, { namespace, pod, reason, message }: PolicyFailure): void {
    this.options.log.warn({ policy: policy.name, namespace, pod, reason, message }, "policy action failed");
    const { apiVersion, kind } = policy.namespace === undefined ? CLUSTER_POLICY : POLICY;
    this.options.events.record({
      regarding: {
        apiVersion,
        kind,
        name: policy.name,
        uid: policy.uid,
        ...(policy.namespace === undefined ? {} : { namespace: policy.namespace }),
      },
      type: "Warning",
      reason,
      action: "Checkpoint",
      note: `pod ${namespace}/${pod}: ${message}`,
    });
  }

  /** Reports an annotation whose time cannot be read. */
  invalidRequest(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    text: string,
  ): void {
    const { namespace, name, uid } = pod;
    this.options.events.record({
      regarding: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
      type: "Warning",
      reason: "InvalidRequest",
      action: "Checkpoint",
      note: `cedana.ai/checkpoint-requested-at is ${text.slice(0, 64)}, not a time in the format of RFC 3339 such as 2026-11-27T12:00:00Z`,
    });
  }
}
