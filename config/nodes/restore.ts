/** What containerd needs to be told on a node of the engine `kubelet`. */

/**
 * Lets containerd restore a container whose image is a checkpoint. 2.2.7, 2.3.4 and later patches do so with this key only;
 * those before do so without it and warn that they do not know the key (seen with 2.1.9); 2.4 can no longer do it.
 */
export const RESTORE_TOML = [
  "[plugins.'io.containerd.cri.v1.runtime']",
  "enable_experimental_restore_via_create = true",
  "",
].join("\n");

/** Versions of containerd that restore from images of checkpoints: from the first up to, not including, the second. */
export const RESTORING_CONTAINERD = ["2.1", "2.4"] as const;
