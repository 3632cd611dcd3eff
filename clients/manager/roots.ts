/**
 * Where container runtimes keep the state of runc containers, by what the node runs.
 * Source: Cedana's documentation of the REST service.
 */
export const CONTAINER_ROOTS = {
  kubernetes: "/run/containerd/runc/k8s.io",
  k3s: "/host/run/containerd/runc/k8s.io",
  default: "/run/runc",
} as const;
