import type { Events, Logger, Metrics } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import type { ArtifactFacts } from "./artifact";

/** Reports sweeps of the repository by log, events and metrics. */
export class SweepReport {
  private readonly deleted;
  private readonly lost;
  private known = 0;
  private lastMs = 0;

  constructor(
    private readonly events: Events,
    private readonly log: Pick<Logger, "info">,
    metrics: Metrics,
  ) {
    this.deleted = metrics.counter(
      "cedana_artifact_orphans_deleted_total",
      "Number of artifacts deleted because no Checkpoint names them",
    );
    this.lost = metrics.counter(
      "cedana_artifacts_missing_total",
      "Number of completed Checkpoints whose artifact the registry does not have",
    );
    metrics.gauge(
      "cedana_artifact_orphans",
      "Number of artifacts of this cluster that no Checkpoint names, as of the last sweep",
      [],
      (gauge) => gauge.set(this.known),
    );
    metrics.gauge(
      "cedana_artifact_sweep_last_success_timestamp_seconds",
      "Time of the last complete sweep of the repository, in seconds since the epoch; 0 if there was none",
      [],
      (gauge) => gauge.set(this.lastMs / 1000),
    );
  }

  /** Records the end of a sweep. */
  ended(nowMs: number): void {
    this.lastMs = nowMs;
  }

  /** Records the number of artifacts that no Checkpoint names. */
  orphans(count: number): void {
    this.known = count;
  }

  orphanDeleted(image: string, { checkpointUID, namespace }: ArtifactFacts): void {
    this.deleted.inc();
    this.log.info({ image, checkpointUID, namespace }, "deleted an artifact that no Checkpoint names");
  }

  missing({ metadata: { namespace, name, uid } }: CheckpointObject, note: string): void {
    this.lost.inc();
    this.log.info({ checkpoint: name, namespace, note }, "artifact is missing");
    const { apiVersion, kind } = CHECKPOINT;
    this.events.record({
      regarding: { apiVersion, kind, name, namespace, uid },
      type: "Warning",
      reason: "ImageNotFound",
      action: "SweepArtifacts",
      note,
    });
  }
}
