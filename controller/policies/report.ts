import {
  POLICY_FAILED_REASONS,
  RETENTION_KEEP_REASONS,
  RETENTION_LIMITS,
  type OwnerIdentity,
  type PolicyFailure,
  type RetentionKeepReason,
  type RetentionLimit,
} from "../../api";
import type { Events, Logger, Metrics } from "../../kube";
import { OUTCOMES, type Outcome } from "./core/outcome";
import type { Policy, Run } from "./core/types";
import { CLUSTER_POLICY, POLICY } from "./objects";
import type { Deletion } from "./retention";

/** Upper bounds in seconds, up to the default of `deadlineSeconds`. */
const BUCKETS = [0.1, 0.5, 1, 5, 30, 60, 300, 600];

export interface ReportOptions {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Names of the triggers. */
  readonly triggers: readonly string[];
}

/**
 * Measures all policies together: how many there are, what they have in flight and waiting, what retention keeps, and how many are
 * `Failed`, by reason.
 */
export function measurePolicies(
  metrics: Metrics,
  totals: () => { readonly policies: number; readonly inFlight: number; readonly waiting: number },
  kept: () => ReadonlyMap<RetentionKeepReason, number>,
  failed: () => ReadonlyMap<string, number>,
): void {
  metrics.gauge("cedana_policies", "Number of policies", [], (gauge) => gauge.set(totals().policies));
  metrics.gauge(
    "cedana_policies_failed",
    "Number of policies whose condition Failed is true, by reason",
    ["reason"],
    (gauge) => {
      const counts = failed();
      for (const reason of POLICY_FAILED_REASONS) gauge.set({ reason }, counts.get(reason) ?? 0);
    },
  );
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
  metrics.gauge(
    "cedana_policy_checkpoints_kept",
    "Number of Checkpoints that policies with the action deleteCheckpoints keep, by reason",
    ["reason"],
    (gauge) => {
      const counts = kept();
      for (const reason of RETENTION_KEEP_REASONS) gauge.set({ reason }, counts.get(reason) ?? 0);
    },
  );
}

/** Reports what policies do by log, events and metrics. */
export class Report {
  private readonly total;
  private readonly delay;
  private readonly deletions;

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
    this.deletions = metrics.counter(
      "cedana_policy_checkpoints_deleted_total",
      "Number of Checkpoints that policies deleted, by the limit that they exceeded",
      ["reason"],
      RETENTION_LIMITS.map((reason) => ({ reason })),
    );
  }

  outcome(
    outcome: Outcome,
    trigger: string,
    { policy, pod, dueMs }: Pick<Run, "policy" | "dueMs"> & Partial<Pick<Run, "pod">>,
    nowMs: number,
  ): void {
    this.total.inc({ trigger, outcome });
    if (outcome !== "started") return;
    this.delay.observe({ trigger }, Math.max(0, nowMs - dueMs) / 1000);
    if (!pod) return;
    const { name, namespace } = pod;
    this.options.log.info({ policy: policy.name, namespace, pod: name, trigger }, "action started");
  }

  /** Logs and counts the deletion of a Checkpoint. */
  deleted(policy: Policy, { checkpoint: { key, uid, podName, sizeBytes }, reason, message }: Deletion): void {
    this.deletions.inc({ reason });
    const [namespace, checkpoint] = key.split("/");
    this.options.log.info(
      {
        policy: policy.name,
        namespace,
        checkpoint,
        checkpointUID: uid,
        pod: podName,
        sizeBytes,
        reason,
        message,
      },
      "checkpoint deleted",
    );
  }

  /** Reports the deletions of a run as an event of the policy. */
  retentionEnded(policy: Policy, deleted: ReadonlyMap<RetentionLimit, number>): void {
    if (deleted.size === 0) return;
    const counts = RETENTION_LIMITS.flatMap((limit) => {
      const count = deleted.get(limit) ?? 0;
      return count === 0 ? [] : [`${count} ${limit}`];
    });
    this.options.events.record({
      regarding: referenceOf(policy),
      type: "Normal",
      reason: "CheckpointsDeleted",
      action: "DeleteCheckpoints",
      note: `deleted Checkpoints: ${counts.join(", ")}`,
    });
  }

  /** Counts that the run of a policy as a whole failed, and reports it as an event of the policy. */
  runFailed(policy: Policy, failure: string): void {
    const [trigger = "none"] = Object.keys(policy.spec.trigger);
    this.total.inc({ trigger, outcome: "failed" });
    this.options.events.record({
      regarding: referenceOf(policy),
      type: "Warning",
      reason: "RunFailed",
      action: "DeleteCheckpoints",
      note: `the run did not delete all that it should: ${failure}`,
    });
  }

  failed(policy: Policy, { namespace, pod, reason, message }: PolicyFailure): void {
    this.options.log.warn({ policy: policy.name, namespace, pod, reason, message }, "policy action failed");
    this.options.events.record({
      regarding: referenceOf(policy),
      type: "Warning",
      reason,
      action: "Checkpoint",
      note: `pod ${namespace}/${pod}: ${message}`,
    });
  }

  /** Reports an annotation whose time cannot be read. */
  invalidRequest(
    {
      apiVersion,
      kind,
      name,
      namespace = "",
      uid,
    }: OwnerIdentity & { readonly namespace?: string | undefined },
    text: string,
  ): void {
    this.options.events.record({
      regarding: { apiVersion, kind, name, namespace, uid },
      type: "Warning",
      reason: "InvalidRequest",
      action: "Checkpoint",
      note: `cedana.ai/checkpoint-requested-at is ${text.slice(0, 64)}, not a time in the format of RFC 3339 such as 2026-11-27T12:00:00Z`,
    });
  }
}

function referenceOf({ name, uid, namespace }: Policy) {
  const { apiVersion, kind } = namespace === undefined ? CLUSTER_POLICY : POLICY;
  return { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) };
}
