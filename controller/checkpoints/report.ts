import type { CheckpointReason, CheckpointStatus } from "../../api";
import type { ApiKind, Events, Metrics } from "../../kube";
import { CEDANA, CHECKPOINT, type CedanaObject, type CheckpointObject } from "./objects";

/** Upper bounds in seconds, up to the default timeout of an engine. */
const BUCKETS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

/** Reports Checkpoints and Cedanas by events and metrics. */
export class Report {
  private readonly total;
  private readonly seconds;

  constructor(
    private readonly events: Events,
    metrics: Metrics,
    inFlight: () => number,
  ) {
    this.total = metrics.counter("cedana_checkpoints_total", "Number of checkpoints by result", [
      "engine",
      "result",
    ]);
    this.seconds = metrics.histogram(
      "cedana_checkpoint_seconds",
      "Duration of a checkpoint, in seconds",
      ["engine"],
      BUCKETS,
    );
    metrics.gauge(
      "cedana_checkpoints_in_flight",
      "Number of checkpoints and restores in flight",
      [],
      (gauge) => gauge.set(inFlight()),
    );
  }

  /** Reports the end of a Checkpoint. */
  ended(object: CheckpointObject, reason: CheckpointReason, message: string, status: CheckpointStatus): void {
    const engine = status.engine ?? "none";
    const result = RESULTS[reason] ?? "failed";
    this.total.inc({ engine, result });
    if (result === "completed" && status.durationMilliseconds !== undefined)
      this.seconds.observe({ engine }, status.durationMilliseconds / 1000);
    const type = result === "completed" ? "Normal" : "Warning";
    this.record(CHECKPOINT, object, type, reason, "Checkpoint", message);
  }

  /** Reports a Cedana by an event. */
  cedana(
    object: CedanaObject,
    type: "Normal" | "Warning",
    reason: string,
    action: string,
    note: string,
  ): void {
    this.record(CEDANA, object, type, reason, action, note);
  }

  private record(
    { apiVersion, kind }: ApiKind,
    { metadata: { name, namespace, uid } }: CheckpointObject | CedanaObject,
    type: "Normal" | "Warning",
    reason: string,
    action: string,
    note: string,
  ): void {
    this.events.record({ regarding: { apiVersion, kind, name, namespace, uid }, type, reason, action, note });
  }
}

const RESULTS: Partial<Record<CheckpointReason, string>> = {
  CheckpointCompleted: "completed",
  OutcomeUnknown: "unknown",
};
