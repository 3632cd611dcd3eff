import type { ApiKind, Events, Logger, Metrics } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import type { Decision } from "./decision";
import { RESTORED_POD, type RestoredPod } from "./pods";
import { ADMISSIONS, OUTCOMES, type Cause, type Outcome, type SkipCause } from "./reasons";

/** Upper bounds in seconds. A response should take a few hundredths of a second. */
const BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** Reports restores by log, events and metrics. */
export class Report {
  private readonly admissions;
  private readonly seconds;
  private readonly outcomes;

  constructor(
    private readonly events: Events,
    metrics: Pick<Metrics, "counter" | "histogram">,
    private readonly log: Pick<Logger, "info">,
  ) {
    this.admissions = metrics.counter(
      "cedana_restore_admissions_total",
      "Number of admitted pods that requested a restore, by result and reason",
      ["result", "reason"],
      ADMISSIONS,
    );
    this.seconds = metrics.histogram(
      "cedana_restore_admission_seconds",
      "Response time of the restore webhook, in seconds",
      [],
      BUCKETS,
    );
    this.outcomes = metrics.counter(
      "cedana_restores_total",
      "Number of restores by result and reason",
      ["result", "reason"],
      OUTCOMES,
    );
  }

  /** Counts a response of the webhook. Without a decision the API server applies the failurePolicy. */
  admitted(result: Decision["is"] | "error", reason: SkipCause | "None", seconds: number): void {
    this.admissions.inc({ result, reason });
    this.seconds.observe({}, seconds);
  }

  /** Logs and counts the end of a restore. */
  ended(result: Outcome, reason: Cause, pod: RestoredPod, message: string): void {
    this.outcomes.inc({ result, reason });
    const { metadata, checkpoint, from: checkpointUID, nodeName: node, claim } = pod;
    const { namespace, name, uid: podUID } = metadata;
    this.log.info(
      { namespace, pod: name, podUID, node, checkpoint, checkpointUID, claim, result, reason, message },
      "restore ended",
    );
  }

  pod({ metadata }: RestoredPod, type: "Normal" | "Warning", reason: string, note: string): void {
    this.record(RESTORED_POD, metadata, type, reason, note);
  }

  checkpoint({ metadata }: CheckpointObject, type: "Normal" | "Warning", reason: string, note: string): void {
    this.record(CHECKPOINT, metadata, type, reason, note);
  }

  private record(
    { apiVersion, kind }: ApiKind,
    { name, namespace, uid }: { readonly name: string; readonly namespace: string; readonly uid: string },
    type: "Normal" | "Warning",
    reason: string,
    note: string,
  ): void {
    const regarding = { apiVersion, kind, name, namespace, uid };
    this.events.record({ regarding, type, reason, action: "Restore", note });
  }
}
