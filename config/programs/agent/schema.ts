import * as v from "../../schema/valibot";
import {
  derived,
  described,
  directory,
  dnsLabel,
  integer,
  pattern,
  registryRepository,
  shape,
  type Checked,
} from "../../schema";
import { GATING_CHECKS, registryAccess } from "../../engines/node-agent";
import { readSettings } from "../settings-file";

const bytes = integer(0, Number.MAX_SAFE_INTEGER);

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
  warnOnly: described(
    v.array(v.picklist(GATING_CHECKS)),
    "Checks whose failure is reported, and does not gate the node.",
  ),
  runtimeConfig: described(
    directory,
    "Configuration file of containerd on the node, such as /etc/containerd/config.toml.",
  ),
});

/**
 * Describes the settings of the agent, a file in YAML or JSON for `agent run` and `agent health`. Paths are the same in the
 * pods and on the node.
 */
export const agentSettingsSchema = shape({
  engine: described(
    v.literal("criu"),
    "Engine of the agent. criu: the service of the node takes and restores checkpoints of pods.",
  ),
  namespace: described(dnsLabel, "Namespace of the agents, and of the objects that request work from them."),
  folder: described(directory, "Directory of CRIU on the node. The agent runs <folder>/current/bin/criu."),
  criuLink: described(
    directory,
    "Symbolic link on the node through which runc finds CRIU, such as /usr/local/sbin/criu.",
  ),
  state: described(directory, "Directory of the agent's journal, which survives restarts of the pod."),
  quotaBytes: described(bytes, "Maximum total size of checkpoints on the disk of a node, in bytes."),
  reserveBytes: described(bytes, "Free space that checkpoints must leave on the disk, in bytes."),
  maxConcurrent: described(integer(1, 100), "Maximum number of checkpoints in flight on a node."),
  repository: described(registryRepository, "Repository of checkpoints."),
  repositoryPerNamespace: described(
    derived(v.boolean(), "false"),
    "Whether the checkpoints of each namespace are in <repository>/<namespace>.",
  ),
  registry: described(registryAccess, "Access to the registry."),
  log: described(
    shape({ level: described(v.picklist(["debug", "info", "warn", "error"]), "Log level.") }),
    "Log of both programs.",
  ),
  memoryWatches: described(
    derived(v.boolean(), "false"),
    "Whether the agent reads the memory of pods for policies: NodeMemoryWatch objects.",
  ),
  socket: described(directory, "Unix socket of the service of the node."),
  stateSocket: described(directory, "Unix socket on which the service of the node only returns its state."),
  handler: described(
    shape({
      name: described(dnsLabel, "Name of the runtime handler."),
      binary: described(directory, "OCI runtime of the handler: the wrapper."),
    }),
    "Runtime handler of containerd that restores containers.",
  ),
  health: described(healthSchema, "Settings of the health check."),
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
