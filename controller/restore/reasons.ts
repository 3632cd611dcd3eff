/** Reasons of restores in metrics and logs. Each list is closed, so that no client can add series. */

/**
 * Why the webhook does not restore a pod.
 * - `InvalidRequest`: an annotation of the pod is invalid
 * - `NoCheckpoint`: no completed Checkpoint of the workload exists, or none of the name
 * - `OtherTemplate`: the newest Checkpoint is of another pod template
 * - `NotCompleted`: the Checkpoint is not completed, or is being deleted
 * - `InUse`: another pod has the Checkpoint
 * - `FailedBefore`: a restore of the Checkpoint failed
 * - `SourceRunning`: the source pod of the Checkpoint still runs
 * - `NamespaceDenied`: the API server denies the controller the pods or Checkpoints of the namespace
 * - `PodsRejected`: pods of the owner that were to be restored were not created, several times in a row
 * - `DoesNotFit`: containers, images, engine, RuntimeClass, architecture or nodes of pod and Checkpoint differ
 */
export const SKIP_CAUSES = [
  "InvalidRequest",
  "NoCheckpoint",
  "OtherTemplate",
  "NotCompleted",
  "InUse",
  "FailedBefore",
  "SourceRunning",
  "NamespaceDenied",
  "PodsRejected",
  "DoesNotFit",
] as const;
export type SkipCause = (typeof SKIP_CAUSES)[number];

/** Label values of all admissions. */
export const ADMISSIONS: readonly { readonly result: string; readonly reason: string }[] = [
  { result: "restore", reason: "None" },
  { result: "error", reason: "None" },
  { result: "busy", reason: "InUse" },
  { result: "invalid", reason: "InvalidRequest" },
  ...SKIP_CAUSES.filter((reason) => reason !== "InvalidRequest").flatMap((reason) => [
    { result: "fresh", reason },
    { result: "deny", reason },
  ]),
];

/** Outcome of a restore. */
export type Outcome = "restored" | "fellBack" | "stopped" | "lost" | "skipped" | "unknown";

/** Why a restore failed: what nodes report in `status.cause` of a NodeRestore, and what the controller finds. */
const NODE_CAUSES = [
  "PlanMissing",
  "PlanInvalid",
  "DeadlineExceeded",
  "Incompatible",
  "FilesNotRestored",
  "GPUNotRestored",
  "CRIUFailed",
  "LimitExceeded",
  "MemoryLost",
  "Interrupted",
  "RegistryFailed",
  "CheckpointInvalid",
  "CheckpointMissing",
] as const;
const FAILURE_CAUSES = [...NODE_CAUSES, "CheckpointDeleted", "RepeatedExit", "Other"] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/**
 * Why a restore ended as it did. `NoDecision`: the pod requested a restore, and the webhook did not decide on it. `None`: the
 * outcome says it all, or the webhook has counted why.
 */
export type Cause = FailureCause | "ClaimLost" | "NotReported" | "NoDecision" | "None";

/** Returns the cause that a node reported; `Other` for one that this version does not know. */
export function failureCause(reported: string | undefined): FailureCause {
  return NODE_CAUSES.find((cause) => cause === reported) ?? "Other";
}

/** Label values of all outcomes. */
export const OUTCOMES: readonly { readonly result: Outcome; readonly reason: Cause }[] = [
  { result: "restored", reason: "None" },
  { result: "skipped", reason: "None" },
  { result: "skipped", reason: "NoDecision" },
  { result: "lost", reason: "ClaimLost" },
  { result: "unknown", reason: "NotReported" },
  ...FAILURE_CAUSES.flatMap((reason) => [
    { result: "fellBack" as const, reason },
    { result: "stopped" as const, reason },
  ]),
];
