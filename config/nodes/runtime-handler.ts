/** The containerd runtime handler under which checkpoints are restored. */
import * as v from "valibot";
import { dnsLabel, described, oneOf, pattern, shape } from "../schema";
import type { Ami } from "./ami";

const absolute = pattern(/^\/[^"'\\\n]+$/, {
  code: "not-absolute",
  message: "is not an absolute path",
  allowed: "a path that begins with /, without quotes and backslashes",
});

/** Name of the handler where none is given; the RuntimeClass of the install names the same. */
export const DEFAULT_HANDLER = "cedana";

export const runtimeHandlerSchema = oneOf([
  v.literal(false),
  shape({
    name: described(v.optional(dnsLabel, DEFAULT_HANDLER), "Name, as a RuntimeClass names it in `handler`."),
    runtimeType: described(
      v.optional(
        pattern(/^[a-z0-9]+(\.[a-z0-9-]+)+$/, {
          code: "not-a-runtime-type",
          message: "is not a runtime type of containerd",
          allowed: "a name such as io.containerd.runc.v2",
        }),
        "io.containerd.runc.v2",
      ),
      "Runtime type of containerd.",
    ),
    runtimePath: described(
      v.optional(v.union([absolute, v.literal(false)]), "/usr/local/bin/cedana-shim-runc-v2"),
      "Shim that containerd starts; false for the one that belongs to the runtime type.",
    ),
  }),
]);

export type RuntimeHandler = Exclude<v.InferOutput<typeof runtimeHandlerSchema>, false>;

/**
 * The handler in containerd's configuration schema 3. It names base_runtime_spec, SystemdCgroup and BinaryName again:
 * containerd inherits none of them from the default runtime, and without them pods lose their rlimits, leave the
 * kubelet's cgroup tree and, on NVIDIA AMIs, their GPUs.
 */
export function renderRuntimeHandler(
  { name, runtimeType, runtimePath }: RuntimeHandler,
  { runtimeBinary }: Pick<Ami, "runtimeBinary">,
): string {
  const table = `plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'${name}'`;
  return [
    `[${table}]`,
    `runtime_type = "${runtimeType}"`,
    ...(runtimePath === false ? [] : [`runtime_path = "${runtimePath}"`]),
    `base_runtime_spec = "/etc/containerd/base-runtime-spec.json"`,
    "",
    `[${table}.options]`,
    `BinaryName = "${runtimeBinary}"`,
    "SystemdCgroup = true",
    "",
  ].join("\n");
}
