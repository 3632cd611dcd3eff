import { VERIFICATION_OUTCOMES } from "../../api";
import type { Events, Logger, Metrics } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import type { Verdict } from "./judge";

/** Reasons of the events of a Checkpoint, by outcome. */
const REASONS = {
  Verified: "Verified",
  Failed: "VerificationFailed",
  Skipped: "VerificationSkipped",
} as const;

/** Reports verifications by log, events and metrics. */
export class Report {
  private readonly total;

  constructor(
    private readonly events: Events,
    metrics: Pick<Metrics, "counter" | "gauge">,
    private readonly log: Pick<Logger, "info" | "warn">,
    pods: () => number,
  ) {
    this.total = metrics.counter(
      "cedana_verifications_total",
      "Number of verifications of Checkpoints that ended, by outcome",
      ["outcome"],
      VERIFICATION_OUTCOMES.map((outcome) => ({ outcome })),
    );
    metrics.gauge("cedana_sandbox_pods", "Number of sandbox pods", [], (gauge) => gauge.set(pods()));
  }

  started({ metadata: { namespace, name } }: CheckpointObject, policy: string, pod: string): void {
    this.log.info({ namespace, checkpoint: name, policy, pod }, "verification started");
  }

  ended({ metadata }: CheckpointObject, policy: string, { outcome, reason, message }: Verdict): void {
    const { namespace, name, uid } = metadata;
    this.total.inc({ outcome });
    const level = outcome === "Verified" ? "info" : "warn";
    this.log[level]({ namespace, checkpoint: name, policy, outcome, reason, message }, "verification ended");
    const { apiVersion, kind } = CHECKPOINT;
    this.events.record({
      regarding: { apiVersion, kind, namespace, name, uid },
      type: outcome === "Verified" ? "Normal" : "Warning",
      reason: REASONS[outcome],
      action: "Verify",
      note: outcome === "Verified" ? message : `${reason}: ${message}`,
    });
  }
}
