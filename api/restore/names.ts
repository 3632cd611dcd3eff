/** Annotations by which a user asks for a restore, on a pod or in a pod template. */
export const REQUEST = {
  /** Name of a Checkpoint of the namespace, or `latest`. */
  from: "cedana.ai/restore-from",
  /** What becomes of a pod that cannot be restored: `fresh` (default) or `stop`. */
  fallback: "cedana.ai/restore-fallback",
  /** `"true"`: other pods may be restored from the same Checkpoint. */
  shared: "cedana.ai/restore-shared",
} as const;

/** Value of `restore-from` for the newest Checkpoint of the same workload. */
export const LATEST = "latest";

export const FALLBACKS = ["fresh", "stop"] as const;
export type Fallback = (typeof FALLBACKS)[number];

/** Label of a pod whose wish was looked at: UID of the Checkpoint, or `none`. */
export const RESTORED_FROM = "cedana.ai/restored-from";
export const NOT_RESTORED = "none";

/** Annotations that only the controller sets. */
export const RECORD = {
  /** Name of the Checkpoint. */
  checkpoint: "cedana.ai/restore-checkpoint",
  /** Which admission this was: equal to `status.restore.claim` of the Checkpoint. */
  claim: "cedana.ai/restore-claim",
  /** JSON: container to image, as they were before the restore. */
  originalImages: "cedana.ai/restore-original-images",
  /** Why the pod was not restored. */
  skipped: "cedana.ai/restore-skipped",
  /** Why the pod was put back to its own images. */
  failed: "cedana.ai/restore-failed",
} as const;

/** Label of nodes with the architecture of their processor, in Go's words, which are OCI's. */
export const ARCHITECTURE_LABEL = "kubernetes.io/arch";

/** Verb on `checkpoints.automation.cedana.ai` that lets its holder ask for a restore. */
export const RESTORE_VERB = "restore";

/** Path at which the controller answers the API server. */
export const WEBHOOK_PATH = "/restore";
