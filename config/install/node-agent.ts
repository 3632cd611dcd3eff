import * as v from "valibot";
import { described, integer, shape } from "../schema";
import { annotations, image, placement, podCount, resources, toleration } from "../pod";

const AGENT_TAG = "v0.9.297";

const updateStrategy = shape({
  type: described(
    v.optional(v.picklist(["RollingUpdate", "OnDelete"]), "RollingUpdate"),
    "How a new version comes to the nodes.",
  ),
  maxUnavailable: described(
    v.optional(podCount, "10%"),
    "Nodes that may be without checkpoint/restore at once. Default: 10%. Stopping a helper stops the daemon on its node.",
  ),
  maxSurge: described(
    v.optional(podCount, 0),
    "Second agents beside the first. 0: two daemons cannot share a node.",
  ),
});

export const helperSchema = shape({
  image: image("cedana/cedana-helper", AGENT_TAG),
  resources: resources({ cpu: "100m", memory: "256Mi" }, { memory: "1Gi" }),
  tolerations: described(
    v.optional(v.array(toleration), [{ operator: "Exists" }]),
    "Taints under which the agent runs. Default: all, so that it is on GPU nodes and outlives a drain.",
  ),
  updateStrategy: described(v.optional(updateStrategy, {}), "Rollout of helper and health check."),
  startupTimeoutSeconds: described(
    v.optional(integer(60, 7200), 900),
    "How long a node may take to install packages and plugins before the helper is started anew. Default: 900.",
  ),
  terminationGracePeriodSeconds: described(
    v.optional(integer(0, 3600), 30),
    "Seconds that the helper has to stop the daemon.",
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
    "Service that leads a pod to the daemon on its own node. Needs protocol tcp and exposeDaemon. Default: none.",
  ),
  ...placement("system-node-critical"),
});

export const healthCheckSchema = shape({
  periodSeconds: described(
    v.optional(integer(5, 60), 30),
    "Seconds between two full checks. A node that breaks is unready after at most this and timeoutSeconds.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 30), 20), "Seconds that a full check may take."),
  resources: resources({ cpu: "10m", memory: "64Mi" }, { memory: "256Mi" }),
  ...placement("system-node-critical"),
});
