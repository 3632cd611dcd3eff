import { watchesMemory } from "../../engines";
import { CRIU_HANDLER, type ResolvedCriuEngine } from "../../engines/criu";
import { checksThat, credentialsOf } from "../../engines/node-agent";
import { agentNamespace, checkpointsOf, type ResolvedInstall } from "../../install";
import { MINIMUM_KERNEL, NODE_FOLDER, SERVICE_SOCKET, STATE_SOCKET, WRAPPER } from "../../nodes";
import { quantityBytes } from "../../schema";
import type { AgentSettings } from "./schema";

/** Directory and file of the settings in the pods of the agent. */
export const SETTINGS_DIRECTORY = "/etc/cedana-agent";
export const SETTINGS_FILE = "settings.json";

/** Directory and file of the registry's credentials in the pods of the agent. */
export const CREDENTIALS_DIRECTORY = "/etc/cedana-registry";
export const CREDENTIALS_FILE = "config.json";

/** Directory of the agent's journal on its node. */
export const STATE = "/var/lib/cedana-cdk/agent";
/** Symbolic link to CRIU for runc. Its directory is the first one in the PATH of systemd services. */
export const CRIU_LINK = "/usr/local/sbin/criu";

/** Pod condition and readiness gate of the health check: whether the node can checkpoint. */
export const HEALTH_CONDITION = "cedana.ai/node-can-checkpoint";

/** Configuration of containerd on a node. */
const CONTAINERD_CONFIG = "/etc/containerd/config.toml";

/** Returns the settings of the agents of an install. */
export function agentSettings(engine: ResolvedCriuEngine, install: ResolvedInstall): AgentSettings {
  const { quota, reserve, repository, repositoryPerNamespace, logLevel, allowCgroupV1, checks } = engine;
  const { periodSeconds, timeoutSeconds } = install.healthCheck;
  const checkpoints = checkpointsOf(install);
  const credentials = credentialsOf(engine);
  return {
    engine: engine.kind,
    namespace: agentNamespace(install),
    criuLink: CRIU_LINK,
    state: STATE,
    quotaBytes: quantityBytes(quota),
    reserveBytes: quantityBytes(reserve),
    maxConcurrent: checkpoints ? checkpoints.maxPerNode : 1,
    repository,
    ...(repositoryPerNamespace && { repositoryPerNamespace }),
    ...(watchesMemory(engine, install) && { memoryWatches: true }),
    registry:
      credentials === "docker-config"
        ? { credentials, dockerConfig: `${CREDENTIALS_DIRECTORY}/${CREDENTIALS_FILE}` }
        : { credentials },
    log: { level: logLevel },
    folder: NODE_FOLDER,
    socket: SERVICE_SOCKET,
    stateSocket: STATE_SOCKET,
    handler: { name: CRIU_HANDLER.name, binary: WRAPPER },
    health: {
      periodSeconds,
      timeoutSeconds,
      minKernel: MINIMUM_KERNEL,
      allowCgroupV1,
      warnOnly: [...checksThat("warn", checks)],
      runtimeConfig: CONTAINERD_CONFIG,
    },
  };
}
