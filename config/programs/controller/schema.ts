import * as v from "valibot";
import { DIRECTORY, NOT_A_DIRECTORY } from "../../install";
import { taintSchema } from "../../nodes";
import {
  described,
  dnsLabel,
  dnsSubdomain,
  integer,
  labelKey,
  labelValue,
  oneOf,
  pattern,
  registryRepository,
  shape,
} from "../../schema";

const off = v.literal(false);
const directory = pattern(DIRECTORY, NOT_A_DIRECTORY);
const labels = v.record(labelKey, labelValue);

const agentSchema = shape({
  name: described(dnsLabel, "What events and conditions call the agent: helper, health-check."),
  namespace: described(dnsLabel, "Namespace of its DaemonSet and pods."),
  daemonSet: described(dnsSubdomain, "Name of its DaemonSet."),
});

const retaintSchema = shape({
  holdOffSeconds: described(
    integer(0, 3600),
    "How long an agent may be away before its node gets the taint.",
  ),
  maxUnreadyPercent: described(
    integer(1, 100),
    "Share of the gated nodes above which no further one gets the taint.",
  ),
});

const gateSchema = shape({
  owner: described(
    v.picklist(["controller", "nodeReadinessRule"]),
    "Who holds the taint. nodeReadinessRule: the controller keeps the Node condition only.",
  ),
  taint: described(taintSchema, "The taint of a node that waits."),
  nodeSelector: described(labels, "Nodes that are gated, by their labels."),
  agents: described(
    v.pipe(v.array(agentSchema), v.minLength(1)),
    "Agents that must be Ready on a node before its taint goes.",
  ),
  podSelector: described(labels, "Labels that list the agents' pods and DaemonSets."),
  hashAnnotation: described(labelKey, "Annotation with the hash of the configuration that a pod runs with."),
  retaint: described(
    oneOf([off, retaintSchema]),
    "Whether a node gets the taint again when an agent is lost.",
  ),
  failOpenAfterSeconds: described(
    v.optional(integer(60, 86_400)),
    "After how long the taint goes although the agents are not Ready. Left out: never.",
  ),
  explainAfterSeconds: described(integer(0, 86_400), "After how long of waiting an event says why."),
  dryRun: described(v.boolean(), "Whether the controller only says what it would do to nodes."),
});

const anyEngine = {
  namespaces: described(
    oneOf([v.literal("all"), v.pipe(v.array(dnsLabel), v.minLength(1))]),
    "Namespaces whose Checkpoint objects are acted upon.",
  ),
  maxPerNode: described(integer(1, 100), "Checkpoints in flight on one node at a time."),
  locations: described(
    v.array(directory),
    "Directories of nodes into which a Checkpoint may have itself written. Elsewhere none is taken.",
  ),
};
const timeoutSeconds = described(integer(1, 86_400), "How long a checkpoint may take.");

const byCedanaSchema = shape({
  ...anyEngine,
  engine: described(v.literal("cedana"), "What checkpoints."),
  manager: described(
    shape({
      url: described(
        pattern(/^https?:\/\/[^\s/@]+$/, {
          code: "not-a-url",
          message: "is not the URL of a server",
          allowed: "http(s)://<host>[:<port>]",
        }),
        "REST API of Cedana's manager.",
      ),
      root: described(
        pattern(/^\/\S+$/, {
          code: "not-a-path",
          message: "is not an absolute path",
          allowed: "a path such as /run/containerd/runc/k8s.io",
        }),
        "Directory in which the container runtime keeps the state of its containers.",
      ),
      timeoutSeconds,
    }),
    "How Cedana's manager is called.",
  ),
});

const byKubeletSchema = shape({
  ...anyEngine,
  engine: described(v.literal("kubelet"), "What checkpoints."),
  agent: described(
    shape({
      namespace: described(dnsLabel, "Namespace of the agents, and of the NodeCheckpoint objects."),
      repository: described(registryRepository, "Where images of checkpoints go."),
      timeoutSeconds,
    }),
    "How the agents of the nodes are asked: by NodeCheckpoint objects.",
  ),
});

const checkpointsSchema = v.variant("engine", [byCedanaSchema, byKubeletSchema]);

const restoreSchema = shape({
  namespaces: described(
    oneOf([v.literal("all"), v.pipe(v.array(dnsLabel), v.minLength(1))]),
    "Namespaces whose pods can be restored.",
  ),
  nodeSelector: described(labels, "Nodes on which containers can be restored, by their labels."),
  port: described(integer(0, 65_535), "Port of the admission webhook: HTTPS. 0: any free one."),
  configuration: described(dnsSubdomain, "Name of the MutatingWebhookConfiguration."),
  secret: described(dnsSubdomain, "Name of the Secret with the webhook's certificate."),
  dnsNames: described(
    v.pipe(v.array(dnsSubdomain), v.minLength(1)),
    "Names of the webhook's Service, of which the certificate is.",
  ),
  certificates: described(
    v.picklist(["own", "cert-manager"]),
    "Who issues the certificate: the controller itself, or cert-manager.",
  ),
});

/** What the controller is told, as a file (YAML or JSON) beside it. `controllerSettings` derives it from an install. */
export const controllerSettingsSchema = shape({
  namespace: described(dnsLabel, "Namespace of the Lease."),
  leaseName: described(dnsSubdomain, "Name of the Lease by which one replica leads."),
  log: described(
    shape({ level: described(v.picklist(["debug", "info", "warn", "error"]), "What is logged.") }),
    "The controller's log.",
  ),
  gate: described(oneOf([off, gateSchema]), "The readiness gate. false: another program holds it."),
  checkpoints: described(oneOf([off, checkpointsSchema]), "Checkpoint objects. false: not acted upon."),
  restore: described(oneOf([off, restoreSchema]), "Restore of pods. false: none is restored."),
});

/** What the controller is told. Durations are seconds. */
export interface ControllerSettings extends v.InferOutput<typeof controllerSettingsSchema> {}
/** What the readiness gate is told. */
export interface GateSettings extends v.InferOutput<typeof gateSchema> {}
/** What acting upon Checkpoint objects is told. */
export type CheckpointSettings = v.InferOutput<typeof checkpointsSchema>;
/** What restoring pods is told. */
export interface RestoreSettings extends v.InferOutput<typeof restoreSchema> {}
/** One of the agents that a node waits for. */
export interface AgentSettings extends v.InferOutput<typeof agentSchema> {}
