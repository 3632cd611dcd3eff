import * as v from "../schema/valibot";
import {
  annotations,
  labels,
  namespaces,
  placement,
  podCount,
  requiredImage,
  resources,
  toleration,
} from "../pod";
import {
  derived,
  described,
  dnsLabel,
  dnsSubdomain,
  integer,
  labelKey,
  labelValue,
  oneOf,
  mapping,
  shape,
} from "../schema";
import { anyCidr } from "../network";
import { kueueSchema } from "../integrations/kueue";
import { deleteArtifactsSchema, type DeleteArtifactsOf } from "./artifacts";
import { policiesSchema, type PoliciesOf } from "./policies";
import type { VerifyOf } from "./verify";
import { readinessGateSchema } from "./readiness-gate";

const off = v.literal(false);

/** Describes the reconciliation of Checkpoint objects. */
export const checkpointsSchema = shape({
  namespaces: described(
    v.optional(namespaces, ["default"]),
    "Namespaces whose Checkpoint objects are reconciled. all: every namespace.",
  ),
  maxPerNode: described(v.optional(integer(1, 100), 2), "Maximum number of checkpoints in flight on a node."),
  waitSeconds: described(
    v.optional(integer(60, 604_800), 3600),
    "Seconds after its creation at which a Checkpoint fails that has not started: its pod is not running, or other checkpoints hold the slots of the node.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 86_400), 600), "Seconds after which a checkpoint fails."),
  deleteArtifacts: described(
    v.optional(oneOf([off, deleteArtifactsSchema]), false),
    "Deletion of artifacts in the registry by the controller, of Checkpoints with deletionPolicy Delete. {} enables it, and gives the controller credentials for the registry. false: the controller has none, and deletes nothing. Only with the engine criu.",
  ),
});

/** Settings of checkpoints, with at least one namespace. */
export type CheckpointsOf = v.InferOutput<typeof checkpointsSchema>;

/** Returns the settings of checkpoints, or false without a controller or without a namespace. */
export function checkpointsOf({ controller, checkpoints }: ResolvedInstall): CheckpointsOf | false {
  if (!controller || checkpoints === false) return false;
  const settings = checkpoints ?? v.parse(checkpointsSchema, {});
  return settings.namespaces.length > 0 && settings;
}

/** Returns the settings of the deletion of artifacts, or false if the controller deletes none. */
export function deleteArtifactsOf(install: ResolvedInstall): DeleteArtifactsOf | false {
  const checkpoints = checkpointsOf(install);
  return checkpoints && checkpoints.deleteArtifacts;
}

/** Returns the settings of verifications, or false if they are disabled. */
export function verifyOf(install: ResolvedInstall): VerifyOf | false {
  const policies = policiesOf(install);
  return policies && policies.verify;
}

/** Returns the settings of policies, or false if they are disabled or no Checkpoints are reconciled. */
export function policiesOf(install: ResolvedInstall): PoliciesOf | false {
  return checkpointsOf(install) !== false && install.policies;
}

const metrics = shape({
  allowFromNamespaces: described(
    v.optional(v.array(mapping(labelKey, labelValue)), []),
    "Labels of namespaces whose pods may read the metrics. {} selects every namespace.",
  ),
  serviceMonitor: described(
    v.optional(v.boolean(), false),
    "Whether to create a ServiceMonitor. Requires the Prometheus operator.",
  ),
  prometheusRule: described(
    v.optional(v.boolean(), false),
    "Whether to create a PrometheusRule with the alarms of docs/controller/operations.md. Requires the Prometheus operator.",
  ),
  grafanaDashboard: described(
    v.optional(v.boolean(), false),
    'Whether to create a ConfigMap with the dashboard of docs/controller/operations.md and the label grafana_dashboard: "1", by which the sidecar of Grafana\'s Helm chart finds it. The dashboard needs the labels that a ServiceMonitor adds.',
  ),
});

export const controllerSchema = shape({
  image: requiredImage(
    "Image of this toolkit's controller. No image is published: build it (npm run image -- controller) and push it to your registry.",
  ),
  replicas: described(v.optional(integer(0, 10), 2), "Number of replicas. One of them is the leader."),
  resources: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Additional tolerations of the controller. It always tolerates the startup taint.",
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
    v.optional(oneOf([v.literal(false), metrics]), false),
    "Service for Prometheus: port 8080, plain HTTP. false: no Service.",
  ),
  ...placement("system-cluster-critical"),
});

export const networkPoliciesSchema = shape({
  apiServerRanges: described(
    v.optional(v.array(anyCidr), []),
    "CIDRs from which API servers connect to the restore webhook. On EKS: those of the cluster's subnets. Empty: any address, because no label selects the API server.",
  ),
  egressPorts: described(
    derived(
      v.array(integer(1, 65_535)),
      "443 and 6443, of the API server; with the engine cedana also 5671 and 5672, of RabbitMQ",
    ),
    "TCP ports to which pods of the install may connect, in addition to those of the engine.",
  ),
});

const updateStrategy = shape({
  type: described(
    v.optional(v.picklist(["RollingUpdate", "OnDelete"]), "RollingUpdate"),
    "Strategy of rollouts to the nodes.",
  ),
  maxUnavailable: described(
    v.optional(podCount, "10%"),
    "Maximum number or percentage of nodes that are updated at a time. Nodes cannot checkpoint or restore during their update.",
  ),
  maxSurge: described(
    v.optional(podCount, 0),
    "Maximum number or percentage of nodes that run the new pod in parallel with the old one. Requires maxUnavailable: 0. Daemons of Cedana cannot run in parallel on a node.",
  ),
});

export const helperSchema = shape({
  resources: resources({ cpu: "100m", memory: "256Mi" }, { memory: "1Gi" }),
  tolerations: described(
    v.optional(v.array(toleration), [{ operator: "Exists" }]),
    "Tolerations of the agent. The default tolerates every taint, so that the agent runs on GPU nodes and during a drain.",
  ),
  updateStrategy: described(v.optional(updateStrategy, {}), "Rollout of helper and health check."),
  terminationGracePeriodSeconds: described(
    v.optional(integer(0, 3600), 30),
    "Time that the helper has to stop, in seconds.",
  ),
  ...placement("system-node-critical"),
});

export const healthCheckSchema = shape({
  periodSeconds: described(
    v.optional(integer(5, 60), 30),
    "Interval between two full checks, in seconds. A broken node becomes unready after at most this time plus timeoutSeconds.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 30), 20), "Timeout of a full check, in seconds."),
  resources: resources({ cpu: "10m", memory: "64Mi" }, { memory: "256Mi" }),
  ...placement("system-node-critical"),
});

export const restoreSchema = shape({
  failurePolicy: described(
    v.optional(v.picklist(["Ignore", "Fail"]), "Ignore"),
    "Failure policy of the webhook for pods that request a restore while the controller is unavailable. Ignore: the pod starts without a checkpoint, unless it requests to stop instead. Fail: the pod is rejected.",
  ),
  certificates: described(
    v.optional(v.picklist(["own", "cert-manager"]), "own"),
    "Issuer of the webhook's certificate. own: the controller, which stores it in a Secret. cert-manager: cert-manager, which must be installed in the cluster.",
  ),
  grantToEditors: described(
    v.optional(v.boolean(), false),
    "Whether users who may edit a namespace may restore in it. The permission is aggregated to the ClusterRoles edit and admin.",
  ),
});

/** Describes the install: everything in the cluster that is not part of the engine's settings. */
export const installSchema = shape({
  namespace: described(v.optional(dnsLabel, "cedana-system"), "Namespace of the install."),
  agentNamespace: described(
    derived(dnsLabel, "namespace"),
    "Namespace of helper and health check. If it is a separate one, the namespace of the install admits only restricted pods.",
  ),
  createNamespace: described(
    v.optional(v.boolean(), true),
    "Whether to create the namespaces. With false they must exist and admit privileged pods (Pod Security label pod-security.kubernetes.io/enforce: privileged).",
  ),
  name: described(v.optional(dnsLabel, "cedana"), "Prefix of the names of all objects."),
  partOf: described(v.optional(dnsLabel, "cedana"), "Label app.kubernetes.io/name of all objects."),
  instance: described(derived(dnsLabel, "name"), "Label app.kubernetes.io/instance of all objects."),
  labels: described(v.optional(labels, {}), "Additional labels of all objects."),
  annotations: described(v.optional(annotations, {}), "Additional annotations of all objects."),
  clusterDomain: described(v.optional(dnsSubdomain, "cluster.local"), "DNS domain of the cluster."),
  imagePullSecrets: described(v.optional(v.array(dnsSubdomain), []), "Names of the image pull Secrets."),
  nodeSelector: described(
    v.optional(labels, { "cedana.ai/enabled": "true" }),
    "Labels of the nodes that run the agent, and the pods of the RuntimeClass.",
  ),
  helper: described(v.optional(helperSchema, {}), "Helper on each node, the pod that runs the agent."),
  healthCheck: described(v.optional(healthCheckSchema, {}), "Health check of the agent on each node."),
  controller: described(
    v.optional(oneOf([off, controllerSchema]), false),
    "This toolkit's controller, for the readiness gate of nodes and Checkpoint objects. false: no controller.",
  ),
  readinessGate: described(
    v.optional(readinessGateSchema, {}),
    "Readiness gate: the removal of the startup taint from nodes whose agents are Ready.",
  ),
  checkpoints: described(
    derived(oneOf([off, checkpointsSchema]), "{} if install.controller is set, else false"),
    "Reconciliation of Checkpoint objects by the controller. false: no reconciliation.",
  ),
  restore: described(
    derived(
      oneOf([off, restoreSchema]),
      "{} if checkpoints are reconciled and the engine restores by the webhook, else false",
    ),
    "Restore of pods by the controller's admission webhook, in the namespaces of checkpoints. false: no restores.",
  ),
  policies: described(
    v.optional(oneOf([off, policiesSchema]), false),
    "CheckpointPolicies and ClusterCheckpointPolicies: the controller acts on pods and Checkpoints by triggers, in the namespaces of checkpoints. {} enables them. false: no policies.",
  ),
  crds: described(v.optional(v.boolean(), true), "Whether to install the CustomResourceDefinitions."),
  networkPolicies: described(
    v.optional(oneOf([off, networkPoliciesSchema]), {}),
    "NetworkPolicies of the install's pods. false: no policies.",
  ),
  kueue: described(v.optional(oneOf([off, kueueSchema]), false), "Kueue queues. false: no queues."),
  syncWaves: described(
    v.optional(v.boolean(), false),
    "Whether to add annotations with the order in which Argo CD applies the objects.",
  ),
});

export interface InstallSpec extends v.InferInput<typeof installSchema> {}
export type ResolvedInstall = v.InferOutput<typeof installSchema>;
