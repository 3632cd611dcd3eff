import * as v from "../schema/valibot";
import { derived, described, dnsLabel, dnsSubdomain, oneOf, shape } from "../schema";
import { attachAccountSchema } from "./attach-account";
import { checkpointsSchema } from "./checkpoints";
import { controllerSchema } from "./controller";
import { dynamoWatcherSchema } from "../integrations/dynamo-watcher";
import { kueueSchema } from "../integrations/kueue";
import { managerSchema } from "./manager";
import { networkPoliciesSchema } from "./network-policies";
import { healthCheckSchema, helperSchema } from "./node-agent";
import { annotations, labels } from "../pod";
import { readinessGateSchema } from "./readiness-gate";
import { restoreSchema } from "./restore";
import { runtimeClassSchema } from "./runtime-class";

const off = v.literal(false);

/** Everything that is installed into a cluster in addition to the engine's configuration. */
export const installSchema = shape({
  namespace: described(v.optional(dnsLabel, "cedana-system"), "Namespace of the install."),
  agentNamespace: described(
    derived(dnsLabel, "namespace"),
    "Namespace of helper and health check. With a separate one, the manager's namespace admits restricted pods only, and the Secret must exist in both.",
  ),
  createNamespace: described(
    v.optional(v.boolean(), true),
    "Whether to create the namespaces. With false they must exist and admit privileged pods: where Pod Security is enforced, by the label pod-security.kubernetes.io/enforce: privileged.",
  ),
  name: described(v.optional(dnsLabel, "cedana"), "First part of the name of every object."),
  partOf: described(v.optional(dnsLabel, "cedana"), "Label app.kubernetes.io/name of every object."),
  instance: described(
    derived(dnsLabel, "name, which separates the pods of two installs"),
    "Label app.kubernetes.io/instance of every object.",
  ),
  labels: described(v.optional(labels, {}), "Further labels of every object."),
  annotations: described(v.optional(annotations, {}), "Further annotations of every object."),
  clusterDomain: described(v.optional(dnsSubdomain, "cluster.local"), "DNS domain of the cluster."),
  imagePullSecrets: described(v.optional(v.array(dnsSubdomain), []), "Names of the image pull Secrets."),
  nodeSelector: described(
    v.optional(labels, { "cedana.ai/enabled": "true" }),
    "Labels of the nodes that get the agent, and on which pods of the RuntimeClass run.",
  ),
  existingConfigMap: described(
    derived(dnsSubdomain, "a new ConfigMap"),
    "Name of an existing ConfigMap with the engine's configuration, to use instead of creating one. It must exist in the namespaces of manager and agent, with the keys of Cedana's chart. Protocol, address and url of engine must match it.",
  ),
  helper: described(v.optional(helperSchema, {}), "Agent on each node."),
  healthCheck: described(v.optional(healthCheckSchema, {}), "Health check of the agent on each node."),
  manager: described(v.optional(managerSchema, {}), "Cedana's manager."),
  controller: described(
    v.optional(oneOf([off, controllerSchema]), false),
    "This toolkit's controller: the readiness gate of nodes, and Checkpoint objects. false: no controller.",
  ),
  readinessGate: described(
    v.optional(readinessGateSchema, {}),
    "Readiness gate: which component removes the startup taint from nodes whose agents are Ready, and when.",
  ),
  checkpoints: described(
    derived(oneOf([off, checkpointsSchema]), "{} if install.controller is set, else false"),
    "Reconciliation of Checkpoint and Cedana objects by the controller. false: they are not reconciled.",
  ),
  restore: described(
    derived(
      oneOf([off, restoreSchema]),
      "{} if checkpoints are reconciled and the engine is kubelet, else false",
    ),
    "Restore of pods that request it, by an admission webhook of the controller, in the namespaces of checkpoints. false: no restore.",
  ),
  crds: described(v.optional(v.boolean(), true), "Whether to install the CustomResourceDefinitions."),
  runtimeClass: described(
    v.optional(v.union([off, runtimeClassSchema]), {}),
    "RuntimeClass of pods to restore. false: no RuntimeClass.",
  ),
  networkPolicies: described(
    v.optional(v.union([off, networkPoliciesSchema]), {}),
    "NetworkPolicies of the install's pods. false: no policies.",
  ),
  attachAccount: described(
    v.optional(v.union([off, attachAccountSchema]), false),
    "ServiceAccount for Cedana's platform. false: no account.",
  ),
  kueue: described(v.optional(v.union([off, kueueSchema]), false), "Queues of Kueue. false: no queues."),
  dynamoWatcher: described(
    v.optional(v.union([off, dynamoWatcherSchema]), false),
    "Watcher of NVIDIA Dynamo. false: no watcher.",
  ),
  syncWaves: described(
    v.optional(v.boolean(), false),
    "Whether objects have annotations with the order in which Argo CD applies them.",
  ),
});

export interface InstallSpec extends v.InferInput<typeof installSchema> {}
export type ResolvedInstall = v.InferOutput<typeof installSchema>;
