import type { CheckpointEndReason, CheckpointStatus } from "../../api";
import type { ApiKind, Events, Logger, Metrics } from "../../kube";
import { CEDANA, CHECKPOINT, type CedanaObject, type CheckpointObject } from "./objects";

/** The label `result` of each reason. */
const RESULTS: Readonly<Record<CheckpointEndReason, "completed" | "failed" | "unknown">> = {
  CheckpointCompleted: "completed",
  OutcomeUnknown: "unknown",
  CheckpointFailed: "failed",
  SourcePodReplaced: "failed",
  SourcePodNotFound: "failed",
  SourcePodEnded: "failed",
  ContainerNotFound: "failed",
  EngineNotFound: "failed",
  LocationNotAllowed: "failed",
  DeadlineExceeded: "failed",
  AgentNotAnswering: "failed",
  QuotaExceeded: "failed",
  RegistryFailed: "failed",
  CheckpointNotPossible: "failed",
  CheckpointLost: "failed",
};

/** Upper bounds in seconds, up to the default timeout of an engine. */
const BUCKETS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

export interface ReportOptions {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly log: Pick<Logger, "info">;
  /** Names of the engines. */
  readonly engines: readonly string[];
  /** Returns the number of checkpoints and restores in flight. */
  readonly inFlight: () => number;
}

/** Reports Checkpoints and Cedanas by log, events and metrics. */
export class Report {
  private readonly total;
  private readonly seconds;

  constructor(private readonly options: ReportOptions) {
    const { metrics, engines, inFlight } = options;
    const reasons = Object.entries(RESULTS);
    this.total = metrics.counter(
      "cedana_checkpoints_total",
      "Number of finished checkpoints by result and reason",
      ["engine", "result", "reason"],
      engines.flatMap((engine) => reasons.map(([reason, result]) => ({ engine, result, reason }))),
    );
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

  /**
   * Reports the end of a Checkpoint.
   * @param deleted whether the Checkpoint was deleted before its outcome was written
   */
  ended(
    object: CheckpointObject,
    reason: CheckpointEndReason,
    message: string,
    status: CheckpointStatus,
    deleted = false,
  ): void {
    const { engine = "none", nodeName: node, durationMilliseconds } = status;
    const result = RESULTS[reason];
    this.total.inc({ engine, result, reason });
    if (result === "completed" && durationMilliseconds !== undefined)
      this.seconds.observe({ engine }, durationMilliseconds / 1000);
    const { namespace, name: checkpoint } = object.metadata;
    const pod = object.spec.podRef.name;
    this.options.log.info(
      { checkpoint, namespace, pod, node, engine, reason, message, durationMilliseconds, deleted },
      "checkpoint ended",
    );
    const type = result === "completed" ? "Normal" : "Warning";
    this.record(CHECKPOINT, object, type, reason, "Checkpoint", message);
  }

  /** Reports that a Checkpoint from a backup has its status again. */
  imported(object: CheckpointObject, message: string): void {
    const { namespace, name: checkpoint } = object.metadata;
    this.options.log.info({ checkpoint, namespace, message }, "checkpoint imported");
    this.record(CHECKPOINT, object, "Normal", "CheckpointCompleted", "Import", message);
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
    this.options.events.record({
      regarding: { apiVersion, kind, name, namespace, uid },
      type,
      reason,
      action,
      note,
    });
  }
}
