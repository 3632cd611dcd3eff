import * as v from "../../schema/valibot";
import { annotations, image } from "../../pod";
import { described, directory, integer, pattern, shape } from "../../schema";

/** Settings of the helper that only Cedana's has. `install.helper` has the others. */
export const cedanaHelperSchema = shape({
  image: image("cedana/cedana-helper", "v0.9.297"),
  startupTimeoutSeconds: described(
    v.optional(integer(60, 7200), 900),
    "Seconds that a node may take to install packages and plugins before the helper is restarted.",
  ),
  service: described(
    v.optional(
      v.union([
        v.literal(false),
        shape({
          annotations: described(v.optional(annotations, {}), "Annotations of the Service."),
        }),
      ]),
      false,
    ),
    "Service by which pods reach the daemon on their node. Requires protocol tcp and exposeDaemon. false: no Service.",
  ),
});

/** Settings of checkpoints that only Cedana's agent and manager have. */
export const cedanaCheckpointsSchema = shape({
  locations: described(
    v.optional(v.array(directory), []),
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
});
