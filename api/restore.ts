/** Annotations by which a user requests a restore, on a pod or in a pod template. */
export const REQUEST = {
  /** Name of a Checkpoint in the pod's namespace, or `latest`. */
  from: "cedana.ai/restore-from",
  /** What happens to a pod that cannot be restored: `fresh` (default) or `stop`. */
  fallback: "cedana.ai/restore-fallback",
  /** `"true"`: other pods may be restored from the same Checkpoint. */
  shared: "cedana.ai/restore-shared",
} as const;

/** Value of `restore-from` for the newest Checkpoint of the same workload. */
export const LATEST = "latest";

export const FALLBACKS = ["fresh", "stop"] as const;
export type Fallback = (typeof FALLBACKS)[number];

/** Label of a pod whose request was processed: UID of the Checkpoint, or `none`. */
export const RESTORED_FROM = "cedana.ai/restored-from";
export const NOT_RESTORED = "none";

/** Annotation by which the runtime handler of a node waits for the plan of a restore: UID of the Checkpoint. */
export const RESTORE_PLAN = "cedana.ai/restore-plan";

/** Annotations that only the controller sets. */
export const RECORD = {
  /** UID of the Checkpoint. */
  plan: RESTORE_PLAN,
  /** Name of the Checkpoint. */
  checkpoint: "cedana.ai/restore-checkpoint",
  /** The pod's claim: equal to `status.restore.claim` of the Checkpoint. */
  claim: "cedana.ai/restore-claim",
  /** Names of the restored containers, separated by commas. */
  containers: "cedana.ai/restore-containers",
  /** What admission added to the spec, as JSON: `{"runtimeClass":"...","nodeSelector":{...}}`. A later call undoes it. */
  placement: "cedana.ai/restore-placement",
  /** Why the pod was not restored. */
  skipped: "cedana.ai/restore-skipped",
  /** Why the restore failed. */
  failed: "cedana.ai/restore-failed",
} as const;

/** Label of a node with its CPU architecture, in the terms of Go and OCI. */
export const ARCHITECTURE_LABEL = "kubernetes.io/arch";

/** Verb on `checkpoints.automation.cedana.ai` that permits restores. */
export const RESTORE_VERB = "restore";

/** Path of the webhook. */
export const WEBHOOK_PATH = "/restore";

/** Name of the webhook, also in the API server's metrics. */
export const WEBHOOK_NAME = "restore.cedana.ai";
