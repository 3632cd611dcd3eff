/** containerd versions that restore from checkpoint images: from the first up to, but excluding, the second. */
export const RESTORING_CONTAINERD = ["2.1", "2.4"] as const;
