import * as v from "valibot";
import { described, integer, shape } from "../schema";
import { namespaces } from "../install/manager";
import { image, labels, placement, resources, toleration } from "../pod";

export const dynamoWatcherSchema = shape({
  image: image("cedana/cedana-dynamo-watcher", "v0.6.4"),
  replicas: described(v.optional(integer(0, 1), 1), "0 or 1: it does not elect a leader."),
  namespaces: described(namespaces, "Namespaces of the Dynamo workloads. all: everywhere."),
  createLoadBalancer: described(
    v.optional(v.boolean(), false),
    "Whether the watcher makes a load balancer for each graph. Only then may it write Services.",
  ),
  resources: resources({ cpu: "50m", memory: "64Mi" }, { memory: "256Mi" }),
  tolerations: described(v.optional(v.array(toleration), []), "Taints under which it runs."),
  nodeSelector: described(v.optional(labels, {}), "Nodes on which it runs."),
  ...placement("system-cluster-critical"),
});
