import * as v from "../schema/valibot";
import { described, integer, labelKey, labelValue, shape } from "../schema";
import { labels, placement, podCount, requiredImage, resources, toleration } from "../pod";

const metrics = shape({
  allowFromNamespaces: described(
    v.optional(v.array(v.record(labelKey, labelValue)), []),
    "Labels of namespaces whose pods may read the metrics. {} selects every namespace.",
  ),
  serviceMonitor: described(
    v.optional(v.boolean(), false),
    "Whether to create a ServiceMonitor. Requires the Prometheus operator.",
  ),
});

export const controllerSchema = shape({
  image: requiredImage(
    "Image of this toolkit's controller. It is not published: build it (npm run image -- controller) and push it to your registry.",
  ),
  replicas: described(v.optional(integer(0, 10), 2), "Number of replicas. One of them is the leader."),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Further tolerations of the controller. It always tolerates the startup taint.",
  ),
  nodeSelector: described(v.optional(labels, {}), "Labels of the nodes on which the controller runs."),
  maxUnavailable: described(
    v.optional(podCount, 1),
    "Number or percentage of replicas that a drain may stop at a time (PodDisruptionBudget).",
  ),
  logLevel: described(
    v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
    "Log level of the controller.",
  ),
  metrics: described(
    v.optional(v.union([v.literal(false), metrics]), false),
    "Service for Prometheus: port 8080, plain HTTP. false: no Service.",
  ),
  ...placement("system-cluster-critical"),
});
