import * as v from "../schema/valibot";
import { derived, described, integer, pattern, shape } from "../schema";
import { namespaces } from "./manager";
import type { ResolvedInstall } from "./schema";

/** Absolute, without `.`, `..` and empty parts, and not the root itself. */
export const DIRECTORY = /^(\/(?!\.{1,2}(\/|$))[^\s/]+)+$/;
export const NOT_A_DIRECTORY = {
  code: "not-a-directory",
  message: "is not the path of a directory",
  allowed: "an absolute path such as /mnt/checkpoints, without . and .., and without / at its end",
};

export const checkpointsSchema = shape({
  namespaces: described(
    derived(namespaces, "manager.workloadNamespaces"),
    "Namespaces whose Checkpoint and Cedana objects are reconciled. all: every namespace.",
  ),
  maxPerNode: described(
    v.optional(integer(1, 100), 2),
    "Maximum number of checkpoints in flight on one node.",
  ),
  locations: described(
    v.optional(v.array(pattern(DIRECTORY, NOT_A_DIRECTORY)), []),
    "Directories of nodes to which spec.location of a Checkpoint may refer. The engine writes to them as root, for every user who may create a Checkpoint.",
  ),
  root: described(
    v.optional(
      pattern(/^\/\S+$/, {
        code: "not-a-path",
        message: "is not an absolute path",
        allowed:
          "a path, such as /run/containerd/runc/k8s.io, /host/run/containerd/runc/k8s.io (k3s) or /run/runc",
      }),
      "/run/containerd/runc/k8s.io",
    ),
    "Directory where the nodes' container runtime stores the state of its containers.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 86_400), 600), "Seconds after which a checkpoint fails."),
});

/** Returns the settings of checkpoints, or false without a controller or without a namespace. */
export function checkpointsOf({ controller, checkpoints, manager }: ResolvedInstall) {
  if (!controller || checkpoints === false) return false;
  const settings = checkpoints ?? v.parse(checkpointsSchema, {});
  const where = settings.namespaces ?? manager.workloadNamespaces;
  return where.length > 0 && { ...settings, namespaces: where };
}
