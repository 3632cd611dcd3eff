import type { CheckpointObject } from "../../checkpoints/objects";
import { exitFailure, hasRun, type Progress } from "../outcome/progress";
import { hasEnded, type RestoredPod } from "../pods";
import { failureCause } from "../reasons";
import { outcomeOf, type NodeRestoreObject } from "./objects";

/** Time in which the agent reports the outcome after a container was seen to run. */
const REPORT_GRACE_MS = 60_000;

/**
 * Returns the progress of the restore of a pod by a plan, from the status of its NodeRestore.
 * @param hasCheckpoint whether the Checkpoint exists
 * @param own checkpoints of the pod itself
 */
export function planProgress(
  pod: RestoredPod,
  request: NodeRestoreObject | undefined,
  hasCheckpoint: boolean,
  own: readonly CheckpointObject[],
): Progress {
  const outcome = request && outcomeOf(request.status);
  if (outcome !== undefined) {
    if (outcome.type === "Failed")
      return { is: "failed", message: outcome.message, cause: failureCause(request?.status.cause) };
    const failure = request?.spec.restart === "again" ? exitFailure(pod, own) : undefined;
    return failure === undefined
      ? { is: "restored" }
      : { is: "failed", message: failure, cause: "RepeatedExit" };
  }
  if (!hasRun(pod)) {
    return request === undefined && !hasCheckpoint
      ? {
          is: "failed",
          message: "the Checkpoint was deleted before the restore was prepared",
          cause: "CheckpointDeleted",
        }
      : { is: "pending" };
  }
  // The NodeRestore of a pod that ended is deleted some time after its outcome.
  if (request === undefined && hasEnded(pod)) return { is: "pending" };
  const message =
    request === undefined
      ? "it runs, but there is no NodeRestore for it"
      : `it runs, but the agent of node ${request.spec.nodeName} did not report the outcome`;
  return { is: "silent", message, graceMs: REPORT_GRACE_MS };
}
