import * as v from "valibot";
import { described, dnsLabel, dnsSubdomain, integer, oneOf, shape } from "../schema";
import { annotations, image, labels, placement, podCount, resources, toleration } from "../pod";

/** Namespaces in which something may be done: a list, or `all`. */
export const namespaces = oneOf([v.literal("all"), v.array(dnsLabel)]);

export const account = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  name: described(dnsSubdomain, "Name of the ServiceAccount."),
});

const rule = shape({
  apiGroups: described(v.optional(v.array(v.string())), "API groups; empty text for the core group."),
  resources: described(v.optional(v.array(v.string())), "Resources."),
  resourceNames: described(v.optional(v.array(v.string())), "Names of objects. Left out: all."),
  nonResourceURLs: described(v.optional(v.array(v.string())), "Paths of the API server."),
  verbs: described(v.array(v.string()), "What may be done."),
});

const metrics = shape({
  image: image("quay.io/brancz/kube-rbac-proxy", "v0.19.1"),
  resources: resources({ cpu: "5m", memory: "32Mi" }, { memory: "64Mi" }),
  serviceType: described(
    v.optional(v.picklist(["ClusterIP", "NodePort", "LoadBalancer"]), "ClusterIP"),
    "Type of the Service.",
  ),
  readers: described(
    v.optional(v.array(account), []),
    "ServiceAccounts that may read the metrics, such as Prometheus' own.",
  ),
  serviceMonitor: described(
    v.optional(v.boolean(), false),
    "Whether a ServiceMonitor is made. Needs the Prometheus operator.",
  ),
});

const serviceAccount = shape({
  create: described(v.optional(v.boolean(), true), "Whether the ServiceAccount is part of the install."),
  name: described(v.optional(dnsSubdomain), "Its name. Default: <name>-controller-manager."),
  annotations: described(v.optional(annotations, {}), "Its annotations."),
});

const service = shape({
  annotations: described(v.optional(annotations, {}), "Annotations of the Service."),
  port: described(v.optional(integer(1, 65_535), 1324), "Port of the Service; the manager listens on 1324."),
});

export const managerSchema = shape({
  image: image("cedana/cedana-controller", "v0.6.5"),
  replicas: described(v.optional(integer(0, 10), 2), "How many, of which one leads. Default: 2."),
  revisionHistoryLimit: described(v.optional(integer(0, 100), 10), "Old versions kept for a rollback."),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    v.optional(v.array(toleration)),
    "Taints under which the manager runs. Default: that of the readiness gate, cedana.ai/not-ready, which it may have to take away itself.",
  ),
  nodeSelector: described(v.optional(labels, {}), "Nodes on which the manager runs. Default: all."),
  terminationGracePeriodSeconds: described(
    v.optional(integer(0, 600), 10),
    "Seconds that the manager has to stop.",
  ),
  taintNodes: described(
    v.optional(v.boolean()),
    "Whether the manager holds the taint cedana.ai/not-ready on nodes whose agent is not ready. Default: yes, unless readinessGate has another owner.",
  ),
  maxUnavailable: described(
    v.optional(podCount, 1),
    "Managers that a drain may stop at once (PodDisruptionBudget). Default: 1.",
  ),
  workloadNamespaces: described(
    v.optional(namespaces, ["default"]),
    "Namespaces in which the manager may create, change and delete pods, jobs and volume claims, which a restore needs. Default: default. all: everywhere.",
  ),
  leaseName: described(
    v.optional(dnsSubdomain),
    "Name of the manager's Lease. Given, the manager may change no other one.",
  ),
  extraRules: described(
    v.optional(v.array(rule), []),
    "Further rights of the manager in the whole cluster, as rules of a ClusterRole.",
  ),
  serviceAccount: described(v.optional(serviceAccount, {}), "The manager's ServiceAccount."),
  service: described(v.optional(service, {}), "The manager's REST Service."),
  metrics: described(
    v.optional(v.union([v.literal(false), metrics]), false),
    "Lets Prometheus read the manager's metrics on port 8443, with TLS and the API server's permission. Default: no.",
  ),
  ...placement("system-cluster-critical"),
});
