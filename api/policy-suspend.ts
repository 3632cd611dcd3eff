/** Kinds of workloads that the action `suspend` scales to zero, or suspends (Job). */
export const SUSPENDABLE = ["Deployment", "StatefulSet", "ReplicaSet", "Job"] as const;
export type SuspendableKind = (typeof SUSPENDABLE)[number];

/** What a suspended workload has, until it is resumed. */
export const SUSPENDED = {
  /** Label: `"true"`. */
  label: "cedana.ai/suspended",
  /** Annotation: its replicas before; `1` for a Job. */
  replicas: "cedana.ai/suspended-replicas",
  /** Annotation: when it was suspended, RFC 3339. */
  at: "cedana.ai/suspended-at",
  /** Annotation: name of the policy. */
  by: "cedana.ai/suspended-by",
} as const;
