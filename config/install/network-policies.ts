import * as v from "../schema/valibot";
import { described, integer, labelKey, labelValue, shape } from "../schema";

export const networkPoliciesSchema = shape({
  allowIngressFromNamespaces: described(
    v.optional(v.array(v.record(labelKey, labelValue)), []),
    "Labels of namespaces whose pods may call the manager (REST and metrics). {} selects every namespace.",
  ),
  egressPorts: described(
    v.optional(v.array(integer(1, 65_535)), [443, 6443, 5671, 5672]),
    "TCP ports to which manager, controller and Dynamo watcher may connect, in addition to that of engine.url: the API server (443, 6443), RabbitMQ (5671, 5672).",
  ),
});
