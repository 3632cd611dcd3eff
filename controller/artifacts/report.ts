import { ARTIFACT_FINALIZER } from "../../api";
import type { Events, Logger, Metrics, Objects } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { oldestSeconds } from "../checkpoints/waiting";
import { KEPT, type Kept } from "./artifact";

/** Why a Checkpoint was released without its artifact when its time was over. */
export type GivenUp = "InUse" | "NotDeleted";

/** Outcome of the deletion of one artifact, or of the attempts to delete it. */
export type Outcome =
  | { readonly result: "deleted" | "absent" }
  | { readonly result: "kept"; readonly reason: Kept }
  | { readonly result: "gaveUp"; readonly reason: GivenUp };

const OUTCOMES: readonly { readonly result: Outcome["result"]; readonly reason: string }[] = [
  { result: "deleted", reason: "None" },
  { result: "absent", reason: "None" },
  ...Object.keys(KEPT).map((reason) => ({ result: "kept" as const, reason })),
  ...(["InUse", "NotDeleted"] satisfies GivenUp[]).map((reason) => ({ result: "gaveUp" as const, reason })),
];

/** The value of the index under which all Checkpoints are that wait for the deletion of their artifact. */
const DELETING = "deleting";

export interface ReportOptions {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly log: Pick<Logger, "info" | "warn">;
  readonly checkpoints: Pick<Objects<CheckpointObject>, "index">;
}

/** Reports deletions of artifacts by log, events and metrics. */
export class Report {
  private readonly deletions;

  constructor(private readonly options: ReportOptions) {
    const { metrics, checkpoints } = options;
    this.deletions = metrics.counter(
      "cedana_artifact_deletions_total",
      "Number of artifacts of deleted Checkpoints, by result and reason",
      ["result", "reason"],
      OUTCOMES,
    );
    const deleting = checkpoints.index(({ metadata }) =>
      metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(ARTIFACT_FINALIZER)
        ? [DELETING]
        : [],
    );
    metrics.gauge(
      "cedana_artifact_deletions_waiting",
      "Number of deleted Checkpoints that wait for the deletion of their artifact",
      [],
      (gauge) => gauge.set(deleting(DELETING).length),
    );
    metrics.gauge(
      "cedana_artifact_deletions_oldest_waiting_seconds",
      "Time since the deletion of the oldest of them, in seconds; 0 if there is none",
      [],
      (gauge) => {
        const since = deleting(DELETING).map(({ metadata }) => metadata.deletionTimestamp);
        gauge.set(oldestSeconds(since, Date.now()));
      },
    );
  }

  /** Reports what happened to an artifact of a Checkpoint. */
  ended(object: CheckpointObject, image: string | undefined, outcome: Outcome, detail = ""): void {
    const { result } = outcome;
    const reason = "reason" in outcome ? outcome.reason : "None";
    this.deletions.inc({ result, reason });
    const { namespace, name: checkpoint } = object.metadata;
    this.options.log.info(
      { checkpoint, namespace, image, result, reason, detail },
      "artifact deletion ended",
    );
    const subject = image ?? "its artifact";
    if (result === "deleted") this.event(object, "Normal", "ArtifactDeleted", `${subject} was deleted`);
    else if (result === "absent")
      this.event(object, "Normal", "ArtifactDeleted", `the registry does not have ${subject}`);
    else if (result === "kept") {
      const type = reason === "Shared" ? "Normal" : "Warning";
      this.event(object, type, "ArtifactKept", `${subject} is kept: ${KEPT[reason as Kept]}${detail}`);
    } else this.event(object, "Warning", "ArtifactKept", `${subject} is kept: ${detail}`);
  }

  /** Reports that the deletion waits. */
  blocked(object: CheckpointObject, reason: string, message: string): void {
    this.event(object, "Warning", reason, message);
  }

  private event(
    { metadata: { name, namespace, uid } }: CheckpointObject,
    type: "Normal" | "Warning",
    reason: string,
    note: string,
  ): void {
    const { apiVersion, kind } = CHECKPOINT;
    const regarding = { apiVersion, kind, name, namespace, uid };
    this.options.events.record({ regarding, type, reason, action: "DeleteArtifact", note });
  }
}
