import type { Events, Metrics } from "../../kube/runtime";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { POD, type RestoredPod } from "./pods";

/** What came of a restore. */
export type Outcome = "restored" | "fellBack" | "stopped" | "lost" | "skipped";

/** Upper bounds in seconds: an answer should come in some hundredths. */
const BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** Tells of restores: events and metrics. */
export class Report {
  private readonly admissions;
  private readonly seconds;
  private readonly outcomes;

  constructor(
    private readonly events: Events,
    metrics: Pick<Metrics, "counter" | "histogram">,
  ) {
    this.admissions = metrics.counter("cedana_restore_admissions_total", "Pods that asked to be restored", [
      "result",
    ]);
    this.seconds = metrics.histogram(
      "cedana_restore_admission_seconds",
      "Answer of the webhook",
      [],
      BUCKETS,
    );
    this.outcomes = metrics.counter("cedana_restores_total", "Restores by what came of them", ["result"]);
  }

  /** The webhook has answered. */
  admitted(result: string, seconds: number): void {
    this.admissions.inc({ result });
    this.seconds.observe({}, seconds);
  }

  /** A restore has come to its end. */
  ended(result: Outcome): void {
    this.outcomes.inc({ result });
  }

  pod({ metadata }: RestoredPod, type: "Normal" | "Warning", reason: string, note: string): void {
    this.record(POD, metadata, type, reason, note);
  }

  checkpoint({ metadata }: CheckpointObject, type: "Normal" | "Warning", reason: string, note: string): void {
    this.record(CHECKPOINT, metadata, type, reason, note);
  }

  private record(
    { apiVersion, kind }: { readonly apiVersion: string; readonly kind: string },
    { name, namespace, uid }: { readonly name: string; readonly namespace: string; readonly uid: string },
    type: "Normal" | "Warning",
    reason: string,
    note: string,
  ): void {
    const regarding = { apiVersion, kind, name, namespace, uid };
    this.events.record({ regarding, type, reason, action: "Restore", note });
  }
}
