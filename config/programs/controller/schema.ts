import * as v from "../../schema/valibot";
import { ENGINES, ENGINE_KINDS } from "../../engines";
import {
  ACTION_NAMES,
  compareSeconds,
  destinationSchema,
  DRIFT_MODES,
  HEARTBEAT_UNITS,
  MEMORY_READINGS,
} from "../../install";
import { taintSchema } from "../../nodes";
import { labels, quantities, someNamespaces } from "../../pod";
import {
  derived,
  described,
  directory,
  dnsLabel,
  dnsSubdomain,
  integer,
  labelKey,
  oneOf,
  pattern,
  shape,
  type Checked,
} from "../../schema";
import { readSettings } from "../settings-file";

const off = v.literal(false);

const agentSchema = shape({
  name: described(dnsLabel, "Name of the agent in events and conditions: helper, health-check."),
  namespace: described(dnsLabel, "Namespace of the agent's DaemonSet and pods."),
  daemonSet: described(dnsSubdomain, "Name of the agent's DaemonSet."),
});

const retaintSchema = shape({
  holdOffSeconds: described(
    integer(0, 3600),
    "Seconds without a Ready agent after which a node is tainted again.",
  ),
  maxUnreadyPercent: described(
    integer(1, 100),
    "Percentage of gated nodes without a Ready agent above which no further node is tainted.",
  ),
});

const gateSchema = shape({
  owner: described(
    v.picklist(["controller", "nodeReadinessRule"]),
    "Component that removes the taint. nodeReadinessRule: the controller only sets the Node condition.",
  ),
  taint: described(taintSchema, "Taint of gated nodes."),
  nodeSelector: described(labels, "Labels of gated nodes."),
  agents: described(
    v.pipe(v.array(agentSchema), v.minLength(1)),
    "Agents that must be Ready on a node before its taint is removed.",
  ),
  podSelector: described(labels, "Labels of the agents' pods and DaemonSets."),
  hashAnnotation: described(labelKey, "Annotation of a pod with the hash of its configuration."),
  retaint: described(oneOf([off, retaintSchema]), "Whether a node without a Ready agent is tainted again."),
  failOpenAfterSeconds: described(
    derived(integer(60, 86_400), "never"),
    "Seconds after which the taint is removed even if the agents are not Ready.",
  ),
  explainAfterSeconds: described(
    integer(0, 86_400),
    "Seconds after which an event reports why a node is still gated.",
  ),
  dryRun: described(v.boolean(), "Whether the controller only reports changes of nodes without making them."),
});

const checkpointsSchema = v.variant(
  "engine",
  ENGINE_KINDS.map((kind) => ENGINES[kind].controller.schema),
);

const restoreSchema = shape({
  namespaces: described(someNamespaces, "Namespaces whose pods can be restored."),
  nodeSelector: described(labels, "Labels of the nodes on which containers can be restored."),
  port: described(integer(0, 65_535), "Port of the admission webhook (HTTPS). 0: any free port."),
  configuration: described(dnsSubdomain, "Name of the MutatingWebhookConfiguration."),
  secret: described(dnsSubdomain, "Name of the Secret with the webhook's certificate."),
  dnsNames: described(
    v.pipe(v.array(dnsSubdomain), v.minLength(1)),
    "DNS names of the webhook's Service, for its certificate.",
  ),
  certificates: described(
    v.picklist(["own", "cert-manager"]),
    "Issuer of the certificate. own: the controller itself.",
  ),
});

const verifySchema = shape({
  maxInFlight: described(integer(1, 100), "Maximum number of sandbox pods."),
  maxRequests: described(
    derived(quantities, "no limit"),
    "Maximum total of the resource requests of the sandbox pods.",
  ),
  nodeSelector: described(labels, "Labels of the nodes for sandbox pods."),
  networkPolicy: described(
    dnsSubdomain,
    "Name of the NetworkPolicy that isolates sandbox pods. Without it in a namespace, none is created there.",
  ),
});

const policyWebhookSchema = shape({
  port: described(integer(0, 65_535), "Port of the server (HTTPS). 0: any free port."),
  secrets: described(
    v.pipe(v.array(dnsSubdomain), v.minLength(1)),
    "Names of the Secrets with the keys of signatures.",
  ),
});

const notifySchema = shape({
  namespace: described(dnsLabel, "Namespace of the Secrets with the keys of signatures."),
  destinations: described(v.array(destinationSchema), "Receivers."),
});

const policyPlatformSchema = shape({
  url: described(
    pattern(/^(https:\/\/[^\s/@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/\S*)?$/, {
      code: "invalid-url",
      message: "is not the URL of an HTTPS server",
      allowed: "https://<host>[:<port>]",
    }),
    "URL of the platform.",
  ),
  clusterId: described(
    pattern(/^[0-9A-Za-z-]{1,63}$/, {
      code: "invalid-id",
      message: "is not an id",
      allowed: "letters, digits and -",
    }),
    "Id of the cluster on the platform.",
  ),
  root: described(directory, "Directory where the container runtime stores the state of its containers."),
  tokenFile: described(directory, "File with the token of the platform."),
  namespace: described(dnsLabel, "Namespace of the ConfigMap with the ids of the copies."),
  record: described(dnsSubdomain, "Name of the ConfigMap with the ids of the copies."),
  heartbeatUnit: described(v.picklist(HEARTBEAT_UNITS), "Unit of the platform's heartbeats."),
  drift: described(
    v.picklist(DRIFT_MODES),
    "What is done about a copy that was changed or deleted in the platform.",
  ),
  compareSeconds: described(compareSeconds, "Seconds between two comparisons with the platform."),
});

const policiesSchema = shape({
  maxInFlight: described(
    integer(1, 10_000),
    "Maximum number of Checkpoints of all policies that have not ended.",
  ),
  memory: described(
    shape({
      namespace: described(dnsLabel, "Namespace of the NodeMemoryWatches."),
      readings: described(
        v.picklist(MEMORY_READINGS),
        "What reads the memory of pods. agent: the agent of their node. metrics-server: metrics.k8s.io.",
      ),
    }),
    "Trigger memory.",
  ),
  actions: described(
    derived(v.array(v.picklist(ACTION_NAMES)), "checkpoint"),
    "Actions that policies can have, besides verify.",
  ),
  verify: described(
    derived(oneOf([off, verifySchema]), "false"),
    "Verification of Checkpoints in sandbox pods, by the action verify. false: disabled.",
  ),
  webhook: described(
    derived(oneOf([off, policyWebhookSchema]), "false"),
    "Server of the trigger webhook, with the certificate of restore. false: disabled.",
  ),
  notify: described(
    derived(notifySchema, "no destinations"),
    "Receivers of notifications, by the action notify.",
  ),
  platform: described(
    derived(oneOf([off, policyPlatformSchema]), "false"),
    "Copies of policies in Cedana's platform. false: disabled.",
  ),
});

/** Describes the settings of the controller, a file in YAML or JSON. `controllerSettings` derives them from an install. */
export const controllerSettingsSchema = shape({
  namespace: described(dnsLabel, "Namespace of the Lease."),
  leaseName: described(dnsSubdomain, "Name of the Lease for the leader election."),
  log: described(
    shape({ level: described(v.picklist(["debug", "info", "warn", "error"]), "Log level.") }),
    "Log of the controller.",
  ),
  gate: described(oneOf([off, gateSchema]), "Readiness gate. false: another component owns it."),
  checkpoints: described(
    oneOf([off, checkpointsSchema]),
    "Checkpoint objects. false: they are not reconciled.",
  ),
  restore: described(oneOf([off, restoreSchema]), "Restore of pods. false: disabled."),
  policies: described(
    derived(oneOf([off, policiesSchema]), "false"),
    "Policies, in the namespaces of checkpoints. false: disabled.",
  ),
});

/** Settings of the controller. Durations are in seconds. */
export interface ControllerSettings extends v.InferOutput<typeof controllerSettingsSchema> {}
/** Settings of the readiness gate. */
export interface GateSettings extends v.InferOutput<typeof gateSchema> {}
/** Settings of the reconciliation of Checkpoint objects. */
export type CheckpointSettings = v.InferOutput<typeof checkpointsSchema>;
/** Settings of restores. */
export interface RestoreSettings extends v.InferOutput<typeof restoreSchema> {}
/** Settings of policies. */
export interface PolicySettings extends v.InferOutput<typeof policiesSchema> {}
/** Settings of verifications. */
export interface VerifySettings extends v.InferOutput<typeof verifySchema> {}
/** Settings of notifications. */
export interface NotifySettings extends v.InferOutput<typeof notifySchema> {}
/** Settings of the server of the trigger `webhook`. */
export interface PolicyWebhookSettings extends v.InferOutput<typeof policyWebhookSchema> {}
/** Settings of the mirror of policies in the platform. */
export interface PolicyPlatformSettings extends v.InferOutput<typeof policyPlatformSchema> {}
/** One of the agents that must be Ready on a node. */
export interface AgentSettings extends v.InferOutput<typeof agentSchema> {}

/** Parses settings of the controller (YAML or JSON). Returns the settings or all problems. */
export function readControllerSettings(text: string): Checked<ControllerSettings> {
  return readSettings(controllerSettingsSchema, text);
}
