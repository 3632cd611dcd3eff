import * as v from "../../schema/valibot";
import {
  described,
  directory,
  dnsLabel,
  integer,
  pattern,
  registryRepository,
  shape,
  type Checked,
} from "../../schema";
import { readSettings } from "../settings-file";

const bytes = integer(0, Number.MAX_SAFE_INTEGER);

const kubeletSchema = shape({
  port: described(
    integer(1, 65_535),
    "Port of the kubelet on the agent's node. The agent verifies its certificate with the cluster's CA.",
  ),
});

const registrySchema = v.variant("credentials", [
  shape({
    credentials: described(
      v.picklist(["none", "ecr"]),
      "Credentials for the registry. none: no credentials. ecr: an ECR token, by the IAM role of the pod.",
    ),
  }),
  shape({
    credentials: described(
      v.literal("docker-config"),
      "Credentials for the registry: those of a Docker config.json.",
    ),
    dockerConfig: described(directory, "Path of the Docker config.json. The agent reads it for each push."),
  }),
]);

const healthSchema = shape({
  periodSeconds: described(integer(1, 3600), "Seconds between two checks."),
  timeoutSeconds: described(integer(1, 3600), "Timeout of one check, in seconds."),
  minKernel: described(
    pattern(/^\d+\.\d+$/, {
      code: "invalid-kernel-version",
      message: "is not a Linux kernel version",
      allowed: "major.minor, such as 6.1",
    }),
    "Oldest supported Linux kernel.",
  ),
  allowCgroupV1: described(v.boolean(), "Whether nodes with cgroup v1 are accepted."),
  requireRestore: described(v.boolean(), "Whether a node must be able to restore from checkpoint images."),
  runtimeConfig: described(
    directory,
    "Configuration file of the container runtime on the node, such as /etc/containerd/config.toml.",
  ),
});

/**
 * Describes the settings of the kubelet engine's agent, a file in YAML or JSON for `agent run` and `agent health`. Paths
 * are the same in the pods and on the node.
 */
export const agentSettingsSchema = shape({
  namespace: described(dnsLabel, "Namespace of the agents, and of the NodeCheckpoint objects."),
  folder: described(directory, "Directory of CRIU on the node. The agent runs <folder>/current/bin/criu."),
  criuLink: described(
    directory,
    "Symbolic link on the node through which the container runtime finds CRIU, such as /usr/local/sbin/criu.",
  ),
  runtime: described(v.picklist(["containerd", "crio"]), "Container runtime of the node."),
  archives: described(directory, "Directory to which the kubelet writes archives."),
  state: described(directory, "Directory of the agent's journal, which survives restarts of the pod."),
  quotaBytes: described(bytes, "Maximum total size of the agent's archives on a node, in bytes."),
  reserveBytes: described(
    bytes,
    "Free space that checkpoints must leave on the disk of the archives, in bytes.",
  ),
  maxConcurrent: described(integer(1, 100), "Maximum number of checkpoints in flight on a node."),
  kubelet: described(kubeletSchema, "Kubelet of the node."),
  repository: described(registryRepository, "Repository of checkpoint images."),
  registry: described(registrySchema, "Access to the registry."),
  health: described(healthSchema, "Settings of the health check."),
  log: described(
    shape({ level: described(v.picklist(["debug", "info", "warn", "error"]), "Log level.") }),
    "Log of both programs.",
  ),
});

/** Settings of the agent. Sizes are in bytes, durations in seconds. */
export interface AgentSettings extends v.InferOutput<typeof agentSettingsSchema> {}
/** Settings of the health check. */
export type AgentHealthSettings = AgentSettings["health"];
/** Credentials for the registry. */
export type AgentRegistrySettings = AgentSettings["registry"];

/** Parses settings of the agent (YAML or JSON). Returns the settings or all problems. */
export function readAgentSettings(text: string): Checked<AgentSettings> {
  return readSettings(agentSettingsSchema, text);
}
