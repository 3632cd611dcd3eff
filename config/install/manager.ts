import * as v from "../schema/valibot";
import { derived, described, dnsLabel, dnsSubdomain, integer, oneOf, shape } from "../schema";
import { annotations, image, labels, placement, podCount, resources, toleration } from "../pod";

/** Namespaces: a list, or `all`. */
export const namespaces = oneOf([v.literal("all"), v.array(dnsLabel)]);

export const account = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  name: described(dnsSubdomain, "Name of the ServiceAccount."),
});

const rule = shape({
  apiGroups: described(
    derived(v.array(v.string()), "none; with resources it is required"),
    "API groups of the resources. The empty text is the core group.",
  ),
  resources: described(derived(v.array(v.string()), "none"), "Resources that the rule applies to."),
  resourceNames: described(
    derived(v.array(v.string()), "every object"),
    "Names of the objects that the rule applies to.",
  ),
  nonResourceURLs: described(
    derived(v.array(v.string()), "none"),
    "Paths of the API server, instead of resources.",
  ),
  verbs: described(v.array(v.string()), "Verbs that the rule allows."),
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
    "ServiceAccounts that may read the metrics, such as that of Prometheus.",
  ),
  serviceMonitor: described(
    v.optional(v.boolean(), false),
    "Whether to create a ServiceMonitor. Requires the Prometheus operator.",
  ),
});

const serviceAccount = shape({
  create: described(v.optional(v.boolean(), true), "Whether the ServiceAccount is part of the install."),
  name: described(derived(dnsSubdomain, "<install.name>-controller-manager"), "Name of the ServiceAccount."),
  annotations: described(v.optional(annotations, {}), "Annotations of the ServiceAccount."),
});

const service = shape({
  annotations: described(v.optional(annotations, {}), "Annotations of the Service."),
  port: described(v.optional(integer(1, 65_535), 1324), "Port of the Service. The manager listens on 1324."),
});

export const managerSchema = shape({
  image: image("cedana/cedana-controller", "v0.6.5"),
  replicas: described(v.optional(integer(0, 10), 2), "Number of replicas. One of them is the leader."),
  revisionHistoryLimit: described(
    v.optional(integer(0, 100), 10),
    "Number of old revisions that are kept for a rollback.",
  ),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    derived(v.array(toleration), "a toleration of the startup taint, which the manager may have to remove"),
    "Tolerations of the manager.",
  ),
  nodeSelector: described(v.optional(labels, {}), "Labels of the nodes on which the manager runs."),
  terminationGracePeriodSeconds: described(
    v.optional(integer(0, 600), 10),
    "Seconds that the manager has to stop.",
  ),
  taintNodes: described(
    derived(v.boolean(), "true if the owner of the readiness gate is manager, else false"),
    "Whether the manager adds the taint cedana.ai/not-ready to nodes whose agent is not ready, and removes it.",
  ),
  maxUnavailable: described(
    v.optional(podCount, 1),
    "Number or percentage of replicas that a drain may stop at a time (PodDisruptionBudget).",
  ),
  workloadNamespaces: described(
    v.optional(namespaces, ["default"]),
    "Namespaces where the manager may create, change and delete pods, jobs and volume claims, as a restore requires. all: every namespace.",
  ),
  leaseName: described(
    derived(dnsSubdomain, "that of the manager, which then may change every Lease of its namespace"),
    "Name of the manager's Lease. With a name, the manager may change no other Lease.",
  ),
  extraRules: described(
    v.optional(v.array(rule), []),
    "Further cluster-wide rights of the manager: rules of a ClusterRole.",
  ),
  serviceAccount: described(v.optional(serviceAccount, {}), "ServiceAccount of the manager."),
  service: described(v.optional(service, {}), "REST Service of the manager."),
  metrics: described(
    v.optional(v.union([v.literal(false), metrics]), false),
    "Metrics of the manager for Prometheus: port 8443, with TLS and authorization by the API server. false: no metrics.",
  ),
  ...placement("system-cluster-critical"),
});
