import type { ApiKind, Events, Metrics } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { RESTORED_POD, type RestoredPod } from "./pods";

/** Outcome of a restore. */
export type Outcome = "restored" | "fellBack" | "stopped" | "lost" | "skipped" | "unknown";

/** Upper bounds in seconds. A response should take a few hundredths of a second. */
const BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** Reports restores by events and metrics. */
export class Report {
  private readonly admissions;
  private readonly seconds;
  private readonly outcomes;

  constructor(
    private readonly events: Events,
    metrics: Pick<Metrics, "counter" | "histogram">,
  ) {
    this.admissions = metrics.counter(
      "cedana_restore_admissions_total",
      "Number of admitted pods that requested a restore, by result",
      ["result"],
    );
    this.seconds = metrics.histogram(
      "cedana_restore_admission_seconds",
      "Response time of the restore webhook, in seconds",
      [],
      BUCKETS,
    );
    this.outcomes = metrics.counter("cedana_restores_total", "Number of restores by result", ["result"]);
  }

  /** Counts a response of the webhook. */
  admitted(result: string, seconds: number): void {
    this.admissions.inc({ result });
    this.seconds.observe({}, seconds);
  }

  /** Counts the end of a restore. */
  ended(result: Outcome): void {
    this.outcomes.inc({ result });
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
