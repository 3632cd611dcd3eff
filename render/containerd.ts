/** Configuration of containerd on a node, as TOML in its schema 3. */
import type { Ami, RuntimeHandler } from "../config/nodes";

/**
 * Enables restore from checkpoint images in containerd. containerd 2.2.7, 2.3.4 and later patches require this key;
 * earlier versions restore without it and log a warning about an unknown key (seen with 2.1.9); 2.4 cannot restore.
 */
export const RESTORE_TOML = [
  "[plugins.'io.containerd.cri.v1.runtime']",
  "enable_experimental_restore_via_create = true",
  "",
].join("\n");

/**
 * Returns the handler in containerd's configuration schema 3. It repeats base_runtime_spec, SystemdCgroup and BinaryName:
 * containerd inherits none of them from the default runtime, and without them pods lose their rlimits, the kubelet's
 * cgroup tree and, on NVIDIA AMIs, their GPUs.
 */
export function renderRuntimeHandler(
  { name, runtimeType, runtimePath, binary, podAnnotations = [] }: RuntimeHandler,
  { runtimeBinary }: Pick<Ami, "runtimeBinary">,
): string {
  const table = `plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'${name}'`;
  return [
    `[${table}]`,
    `runtime_type = "${runtimeType}"`,
    ...(runtimePath === false ? [] : [`runtime_path = "${runtimePath}"`]),
    `base_runtime_spec = "/etc/containerd/base-runtime-spec.json"`,
    ...(podAnnotations.length === 0 ? [] : [`pod_annotations = ${JSON.stringify(podAnnotations)}`]),
    "",
    `[${table}.options]`,
    `BinaryName = "${binary ?? runtimeBinary}"`,
    "SystemdCgroup = true",
    "",
  ].join("\n");
}
