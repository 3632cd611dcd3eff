import * as v from "valibot";
import { described, integer, pattern, shape } from "../schema";
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
    v.optional(namespaces),
    "Namespaces whose Checkpoint and Cedana objects are acted upon. all: every namespace. Default: manager.workloadNamespaces.",
  ),
  maxPerNode: described(
    v.optional(integer(1, 100)),
    "Checkpoints in flight on one node at a time. Default: 2.",
  ),
  locations: described(
    v.optional(v.array(pattern(DIRECTORY, NOT_A_DIRECTORY))),
    "Directories of nodes into which a Checkpoint may have itself written (spec.location). The engine writes as root, for whoever may create a Checkpoint. Default: none.",
  ),
  root: described(
    v.optional(
      pattern(/^\/\S+$/, {
        code: "not-a-path",
        message: "is not an absolute path",
        allowed:
          "a path, such as /run/containerd/runc/k8s.io, /host/run/containerd/runc/k8s.io (k3s) or /run/runc",
      }),
    ),
    "Directory in which the nodes' container runtime keeps the state of its containers. Default: /run/containerd/runc/k8s.io.",
  ),
  timeoutSeconds: described(
    v.optional(integer(1, 86_400)),
    "How long a checkpoint may take before it counts as failed. Default: 600.",
  ),
});

/** What is acted upon, with every default filled in; false if there is no controller or no namespace. */
export function checkpointsOf({ controller, checkpoints, manager }: ResolvedInstall) {
  if (!controller || checkpoints === false) return false;
  const { namespaces: own, maxPerNode, locations, root, timeoutSeconds } = checkpoints ?? {};
  const where = own ?? manager.workloadNamespaces;
  if (where.length === 0) return false;
  return {
    namespaces: where,
    maxPerNode: maxPerNode ?? 2,
    locations: locations ?? [],
    root: root ?? "/run/containerd/runc/k8s.io",
    timeoutSeconds: timeoutSeconds ?? 600,
  };
}
