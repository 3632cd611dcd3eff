/** `artifactType` of the manifest of a checkpoint. */
export const ARTIFACT_TYPE = "application/vnd.cedana.checkpoint.v1";

/** The namespace whose UID identifies a cluster. */
export const CLUSTER_NAMESPACE = "kube-system";

/** Annotations of the manifest of a checkpoint, by which the controller recognizes what it may delete. */
export const ARTIFACT_ANNOTATIONS = {
  /** UID of the Checkpoint. */
  uid: "ai.cedana.checkpoint.uid",
  /** UID of the namespace kube-system of the cluster that wrote it. Missing if the install does not delete artifacts. */
  cluster: "ai.cedana.checkpoint.cluster",
  /** Namespace of the pod. */
  namespace: "org.criu.checkpoint.pod.namespace",
  /** When the checkpoint was taken, by the clock of the node (RFC 3339). */
  created: "org.opencontainers.image.created",
} as const;
