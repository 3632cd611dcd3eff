import * as v from "valibot";
import { described, dnsLabel, dnsSubdomain, oneOf, shape } from "../schema";
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

/** Everything that is put into a cluster besides the engine's own configuration. */
export const installSchema = shape({
  namespace: described(v.optional(dnsLabel, "cedana-system"), "Namespace of the install."),
  agentNamespace: described(
    v.optional(dnsLabel),
    "Namespace of helper and health check, if it is to be another one. Then the manager's namespace admits restricted pods only; the Secret must exist in both.",
  ),
  createNamespace: described(
    v.optional(v.boolean(), true),
    "Whether the namespace is part of the install. If not, it must exist and admit privileged pods, by the label pod-security.kubernetes.io/enforce: privileged where Pod Security is enforced.",
  ),
  name: described(v.optional(dnsLabel, "cedana"), "First part of the name of every object."),
  partOf: described(v.optional(dnsLabel, "cedana"), "Label app.kubernetes.io/name of every object."),
  instance: described(
    v.optional(dnsLabel),
    "Label app.kubernetes.io/instance of every object. Default: name, so that installs of two names have pods of their own.",
  ),
  labels: described(v.optional(labels, {}), "Further labels of every object."),
  annotations: described(v.optional(annotations, {}), "Further annotations of every object."),
  clusterDomain: described(v.optional(dnsSubdomain, "cluster.local"), "DNS domain of the cluster."),
  imagePullSecrets: described(
    v.optional(v.array(dnsSubdomain), []),
    "Names of Secrets with which images are pulled.",
  ),
  nodeSelector: described(
    v.optional(labels, { "cedana.ai/enabled": "true" }),
    "Nodes that get the agent, and on which pods of the RuntimeClass run. Default: cedana.ai/enabled=true.",
  ),
  existingConfigMap: described(
    v.optional(dnsSubdomain),
    "ConfigMap with the engine's configuration that exists already, in the namespaces of manager and agent, with the keys of Cedana's chart. Then none is made; engine must still say the protocol, address and url that are in it.",
  ),
  helper: described(v.optional(helperSchema, {}), "The agent on each node."),
  healthCheck: described(v.optional(healthCheckSchema, {}), "The check of the agent on each node."),
  manager: described(v.optional(managerSchema, {}), "Cedana's own controller."),
  controller: described(
    v.optional(oneOf([off, controllerSchema]), false),
    "This toolkit's controller: the readiness gate of nodes, and Checkpoint objects. Default: none.",
  ),
  readinessGate: described(
    v.optional(readinessGateSchema, {}),
    "Who takes the taint from nodes once their agents are Ready, and when.",
  ),
  checkpoints: described(
    v.optional(oneOf([off, checkpointsSchema])),
    "Checkpoint and Cedana objects, which the controller acts upon. false: it does not. Default: it does.",
  ),
  restore: described(
    v.optional(oneOf([off, restoreSchema])),
    "Restore of pods that ask for it, by an admission webhook of the controller. false: none is restored. Default: with the engine kubelet, in the namespaces of checkpoints.",
  ),
  crds: described(v.optional(v.boolean(), true), "Whether the CRDs are installed."),
  runtimeClass: described(
    v.optional(v.union([off, runtimeClassSchema]), {}),
    "RuntimeClass of pods that are to be restored. false: none.",
  ),
  networkPolicies: described(
    v.optional(v.union([off, networkPoliciesSchema]), {}),
    "Who may speak with the pods of the install. false: no policies.",
  ),
  attachAccount: described(
    v.optional(v.union([off, attachAccountSchema]), false),
    "ServiceAccount for Cedana's platform. Default: none.",
  ),
  kueue: described(v.optional(v.union([off, kueueSchema]), false), "Queues of Kueue. Default: none."),
  dynamoWatcher: described(
    v.optional(v.union([off, dynamoWatcherSchema]), false),
    "Watcher of NVIDIA Dynamo. Default: none.",
  ),
  syncWaves: described(
    v.optional(v.boolean(), false),
    "Whether objects carry the order in which Argo CD applies them.",
  ),
});

export interface InstallSpec extends v.InferInput<typeof installSchema> {}
export type ResolvedInstall = v.InferOutput<typeof installSchema>;
