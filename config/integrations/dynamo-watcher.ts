import * as v from "../schema/valibot";
import { described, integer, shape } from "../schema";
import { namespaces } from "../install/manager";
import { image, labels, placement, resources, toleration } from "../pod";

export const dynamoWatcherSchema = shape({
  image: image("cedana/cedana-dynamo-watcher", "v0.6.4"),
  replicas: described(
    v.optional(integer(0, 1), 1),
    "Number of replicas. At most 1: the watcher has no leader election.",
  ),
  namespaces: described(namespaces, "Namespaces of the Dynamo workloads. all: every namespace."),
  createLoadBalancer: described(
    v.optional(v.boolean(), false),
    "Whether the watcher creates a load balancer for each graph. It may write Services only with true.",
  ),
  resources: resources({ cpu: "50m", memory: "64Mi" }, { memory: "256Mi" }),
  tolerations: described(v.optional(v.array(toleration), []), "Tolerations of the watcher."),
  nodeSelector: described(v.optional(labels, {}), "Labels of the nodes on which the watcher runs."),
  ...placement("system-cluster-critical"),
});
