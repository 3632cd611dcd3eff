import * as v from "../schema/valibot";
import { described, integer, shape } from "../schema";
import { annotations, image, placement, podCount, resources, toleration } from "../pod";

const AGENT_TAG = "v0.9.297";

const updateStrategy = shape({
  type: described(
    v.optional(v.picklist(["RollingUpdate", "OnDelete"]), "RollingUpdate"),
    "How a new version is rolled out to the nodes.",
  ),
  maxUnavailable: described(
    v.optional(podCount, "10%"),
    "Maximum number or percentage of nodes that are updated at a time. They cannot checkpoint or restore then.",
  ),
  maxSurge: described(
    v.optional(podCount, 0),
    "Maximum number or percentage of nodes that run the new pod beside the old one. Requires maxUnavailable: 0. Two daemons cannot share a node.",
  ),
});

export const helperSchema = shape({
  image: image("cedana/cedana-helper", AGENT_TAG),
  resources: resources({ cpu: "100m", memory: "256Mi" }, { memory: "1Gi" }),
  tolerations: described(
    v.optional(v.array(toleration), [{ operator: "Exists" }]),
    "Tolerations of the agent. The default tolerates every taint, so that the agent runs on GPU nodes and during a drain.",
  ),
  updateStrategy: described(v.optional(updateStrategy, {}), "Rollout of helper and health check."),
  startupTimeoutSeconds: described(
    v.optional(integer(60, 7200), 900),
    "Seconds that a node may take to install packages and plugins before the helper is restarted.",
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
    "Service by which pods reach the daemon on their node. Requires protocol tcp and exposeDaemon. false: no Service.",
  ),
  ...placement("system-node-critical"),
});

export const healthCheckSchema = shape({
  periodSeconds: described(
    v.optional(integer(5, 60), 30),
    "Seconds between two full checks. A broken node is unready after at most this time plus timeoutSeconds.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 30), 20), "Timeout of a full check, in seconds."),
  resources: resources({ cpu: "10m", memory: "64Mi" }, { memory: "256Mi" }),
  ...placement("system-node-critical"),
});
