import * as v from "valibot";
import { described, integer, labelKey, labelValue, shape } from "../schema";
import { labels, placement, podCount, requiredImage, resources, toleration } from "../pod";

const metrics = shape({
  allowFromNamespaces: described(
    v.optional(v.array(v.record(labelKey, labelValue)), []),
    "Namespaces, by their labels, whose pods may read the metrics. {}: all. Default: none.",
  ),
  serviceMonitor: described(
    v.optional(v.boolean(), false),
    "Whether a ServiceMonitor is made. Needs the Prometheus operator.",
  ),
});

export const controllerSchema = shape({
  image: requiredImage(
    "The image of this toolkit's controller. None is published: build it (npm run image -- controller) and put it into a registry of yours.",
  ),
  replicas: described(v.optional(integer(0, 10), 2), "How many, of which one leads. Default: 2."),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Further taints under which it runs. That of the gate it tolerates always: it takes it away.",
  ),
  nodeSelector: described(v.optional(labels, {}), "Nodes on which it runs. Default: all."),
  maxUnavailable: described(
    v.optional(podCount, 1),
    "Controllers that a drain may stop at once (PodDisruptionBudget). Default: 1.",
  ),
  logLevel: described(v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"), "What it logs."),
  metrics: described(
    v.optional(v.union([v.literal(false), metrics]), false),
    "Service through which Prometheus reads its metrics: port 8080, plain HTTP. Default: none.",
  ),
  ...placement("system-cluster-critical"),
});
