import * as v from "valibot";
import { DIRECTORY, NOT_A_DIRECTORY } from "../../install";
import { described, dnsLabel, integer, pattern, registryRepository, shape } from "../../schema";

const directory = pattern(DIRECTORY, NOT_A_DIRECTORY);
const bytes = integer(0, Number.MAX_SAFE_INTEGER);

const kubeletSchema = shape({
  port: described(
    integer(1, 65_535),
    "Port of the kubelet on the agent's own node. Its certificate is checked with the cluster's CA.",
  ),
});

const registrySchema = v.variant("credentials", [
  shape({
    credentials: described(
      v.picklist(["none", "ecr"]),
      "What the registry is shown. none: nothing. ecr: a token of ECR, got with the pod's role.",
    ),
  }),
  shape({
    credentials: described(v.literal("docker-config"), "docker-config: what a Docker config.json holds."),
    dockerConfig: described(directory, "Path of the Docker config.json. Read anew for each push."),
  }),
]);

const healthSchema = shape({
  periodSeconds: described(integer(1, 3600), "Seconds between two checks."),
  timeoutSeconds: described(integer(1, 3600), "Seconds that one check may take."),
  minKernel: described(
    pattern(/^\d+\.\d+$/, {
      code: "not-a-kernel-version",
      message: "is not a version of Linux",
      allowed: "major and minor, such as 6.1",
    }),
    "Oldest Linux on which a node can checkpoint.",
  ),
  allowCgroupV1: described(v.boolean(), "Whether a node with cgroup v1 counts as able."),
  requireRestore: described(
    v.boolean(),
    "Whether a node whose runtime cannot restore from images of checkpoints counts as unable.",
  ),
  runtimeConfig: described(
    directory,
    "Configuration file of the container runtime on the node: /etc/containerd/config.toml.",
  ),
});

/**
 * What the agent of the kubelet engine is told, as a file (YAML or JSON) beside it: one file for `agent run` and `agent
 * health`. Paths are the same in the pods and on the node.
 */
export const agentSettingsSchema = shape({
  namespace: described(dnsLabel, "Namespace of the agents, and of the NodeCheckpoint objects."),
  folder: described(
    directory,
    "Folder of CRIU's tree on the node: <folder>/current/bin/criu is what is run.",
  ),
  criuLink: described(
    directory,
    "Link on the node by which the container runtime finds that CRIU, such as /usr/local/sbin/criu.",
  ),
  runtime: described(v.picklist(["containerd", "crio"]), "What runs the containers of the node."),
  archives: described(directory, "Folder into which the kubelet writes archives."),
  state: described(directory, "Folder of what the agent has under way, which outlives the pod."),
  quotaBytes: described(bytes, "Bytes of the agent's archives on a node at a time."),
  reserveBytes: described(bytes, "Bytes that stay free on the disk of the archives."),
  maxConcurrent: described(integer(1, 100), "Checkpoints under way on a node at a time."),
  kubelet: described(kubeletSchema, "The kubelet of the node."),
  repository: described(registryRepository, "Where images of checkpoints go."),
  registry: described(registrySchema, "How the agent speaks to that registry."),
  health: described(healthSchema, "What the health check asks of a node."),
  log: described(
    shape({ level: described(v.picklist(["debug", "info", "warn", "error"]), "What is logged.") }),
    "The log of both programs.",
  ),
});

/** What the agent is told. Sizes are bytes, durations seconds. */
export interface AgentSettings extends v.InferOutput<typeof agentSettingsSchema> {}
/** What the health check asks of a node. */
export type AgentHealthSettings = AgentSettings["health"];
/** What the registry is shown. */
export type AgentRegistrySettings = AgentSettings["registry"];
