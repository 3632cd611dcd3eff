/** Configuration of containerd on a node, as TOML in its schema 3. */
import type { Ami, RuntimeHandler } from "../config/nodes";

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
