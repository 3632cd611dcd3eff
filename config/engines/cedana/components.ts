/** Settings of the components that only this engine has: helper, manager, attach account, Dynamo watcher, RuntimeClass. */
import * as v from "../../schema/valibot";
import {
  annotations,
  image,
  labels,
  namespaces,
  placement,
  podCount,
  quantities,
  resources,
  toleration,
} from "../../pod";
import {
  derived,
  described,
  directory,
  dnsLabel,
  dnsSubdomain,
  integer,
  pattern,
  oneOf,
  shape,
} from "../../schema";
import { DEFAULT_HANDLER } from "../../nodes/settings";

/** Describes the settings of the helper that only this engine has, in addition to `install.helper`. */
export const cedanaHelperSchema = shape({
  image: image("cedana/cedana-helper", "v0.9.297"),
  startupTimeoutSeconds: described(
    v.optional(integer(60, 7200), 900),
    "Timeout of the installation of packages and plugins on a node, in seconds. The kubelet then restarts the helper.",
  ),
  service: described(
    v.optional(
      oneOf([
        v.literal(false),
        shape({
          annotations: described(v.optional(annotations, {}), "Annotations of the Service."),
        }),
      ]),
      false,
    ),
    "Service through which pods reach the daemon on their node. Requires protocol tcp and exposeDaemon. false: no Service.",
  ),
});

/** Describes the settings of checkpoints that only this engine has, in addition to `install.checkpoints`. */
export const cedanaCheckpointsSchema = shape({
  locations: described(
    v.optional(v.array(directory), []),
    "Directories of nodes to which spec.location of a Checkpoint may refer. The engine writes to them as root, on behalf of every user who may create a Checkpoint.",
  ),
  root: described(
    v.optional(
      pattern(/^\/\S+$/, {
        code: "invalid-path",
        message: "is not an absolute path",
        allowed:
          "a path, such as /run/containerd/runc/k8s.io, /host/run/containerd/runc/k8s.io (k3s) or /run/runc",
      }),
      "/run/containerd/runc/k8s.io",
    ),
    "Directory on the nodes where the container runtime stores the state of its containers.",
  ),
});

const account = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  name: described(dnsSubdomain, "Name of the ServiceAccount."),
});

const rule = shape({
  apiGroups: described(
    derived(v.array(v.string()), "none; required with resources"),
    "API groups of the resources. The empty string is the core group.",
  ),
  resources: described(derived(v.array(v.string()), "none"), "Resources that the rule applies to."),
  resourceNames: described(
    derived(v.array(v.string()), "every object"),
    "Names of the objects that the rule applies to.",
  ),
  nonResourceURLs: described(
    derived(v.array(v.string()), "none"),
    "Paths of the API server that the rule applies to, instead of resources.",
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
  create: described(
    v.optional(v.boolean(), true),
    "Whether to create the ServiceAccount. With false it must exist.",
  ),
  name: described(derived(dnsSubdomain, "<install.name>-controller-manager"), "Name of the ServiceAccount."),
  annotations: described(v.optional(annotations, {}), "Annotations of the ServiceAccount."),
});

const service = shape({
  annotations: described(v.optional(annotations, {}), "Annotations of the Service."),
  port: described(
    v.optional(integer(1, 65_535), 1324),
    "Port of the Service. The manager always listens on 1324.",
  ),
});

export const managerSchema = shape({
  image: image("cedana/cedana-controller", "v0.6.5"),
  replicas: described(v.optional(integer(0, 10), 2), "Number of replicas. One of them is the leader."),
  revisionHistoryLimit: described(
    v.optional(integer(0, 100), 10),
    "Number of old revisions to keep for rollbacks.",
  ),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    derived(v.array(toleration), "a toleration of the startup taint"),
    "Tolerations of the manager.",
  ),
  nodeSelector: described(v.optional(labels, {}), "Labels of the nodes on which the manager runs."),
  terminationGracePeriodSeconds: described(
    v.optional(integer(0, 600), 10),
    "Time that the manager has to stop, in seconds.",
  ),
  taintNodes: described(
    derived(v.boolean(), "true if the owner of the readiness gate is manager, else false"),
    "Whether the manager adds the taint cedana.ai/not-ready to nodes without a ready agent, and removes it when the agent is ready.",
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
    derived(
      dnsSubdomain,
      "the manager's default name; the manager may then change every Lease of its namespace",
    ),
    "Name of the manager's Lease. If it is set, the manager may only change this Lease.",
  ),
  extraRules: described(
    v.optional(v.array(rule), []),
    "Additional cluster-wide permissions of the manager: rules of a ClusterRole.",
  ),
  serviceAccount: described(v.optional(serviceAccount, {}), "ServiceAccount of the manager."),
  service: described(v.optional(service, {}), "REST Service of the manager."),
  metrics: described(
    v.optional(oneOf([v.literal(false), metrics]), false),
    "Metrics of the manager for Prometheus: port 8443, with TLS and authorization by the API server. false: no metrics.",
  ),
  ...placement("system-cluster-critical"),
});

export const attachAccountSchema = shape({
  name: described(derived(dnsSubdomain, "<install.name>-attach"), "Name of the ServiceAccount."),
  permissions: described(
    v.optional(v.picklist(["install", "cluster-admin"]), "install"),
    "Permissions of the account. install: permissions to install and uninstall the objects of this install. cluster-admin: all permissions.",
  ),
  tokenRequesters: described(
    v.optional(
      v.array(
        shape({
          kind: described(v.picklist(["User", "Group"]), "Kind of the subject."),
          name: described(
            pattern(/\S/, {
              code: "empty",
              message: "is empty",
              allowed: "a name, such as platform-engineers",
            }),
            "Name of the subject in the API server.",
          ),
        }),
      ),
      [],
    ),
    "Subjects that may request a token of the account (kubectl create token), in addition to administrators.",
  ),
});

export const dynamoWatcherSchema = shape({
  image: image("cedana/cedana-dynamo-watcher", "v0.6.4"),
  replicas: described(
    v.optional(integer(0, 1), 1),
    "Number of replicas. At most 1: the watcher has no leader election.",
  ),
  namespaces: described(namespaces, "Namespaces of the Dynamo workloads. all: every namespace."),
  createLoadBalancer: described(
    v.optional(v.boolean(), false),
    "Whether the watcher creates a load balancer for each graph. Only with true it may write Services.",
  ),
  resources: resources({ cpu: "50m", memory: "64Mi" }, { memory: "256Mi" }),
  tolerations: described(v.optional(v.array(toleration), []), "Tolerations of the watcher."),
  nodeSelector: described(v.optional(labels, {}), "Labels of the nodes on which the watcher runs."),
  ...placement("system-cluster-critical"),
});

export const runtimeClassSchema = shape({
  name: described(
    v.optional(dnsSubdomain, "cedana"),
    "Name of the RuntimeClass, to which runtimeClassName of a pod refers.",
  ),
  handler: described(
    v.optional(dnsLabel, DEFAULT_HANDLER),
    "Name of the runtime handler in containerd's configuration.",
  ),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Tolerations of each pod of the class. They must not tolerate the startup taint.",
  ),
  overhead: described(
    v.optional(quantities, {}),
    "Overhead of the shim, which is added to the resources of each pod. The overhead of Cedana's shim was not measured.",
  ),
});
