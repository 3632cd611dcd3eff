import { CRIU_HANDLER, type ResolvedCriuEngine } from "../../engines/criu";
import type { ResolvedKubeletEngine } from "../../engines/kubelet";
import { credentialsOf, type NodeAgentSettings } from "../../engines/node-agent";
import { agentNamespace, checkpointsOf, type ResolvedInstall } from "../../install";
import { MINIMUM_KERNEL, NODE_FOLDER, SERVICE_SOCKET, STATE_SOCKET, WRAPPER } from "../../nodes";
import { quantityBytes } from "../../schema";
import type { CriuAgentSettings, KubeletAgentSettings } from "./schema";

/** Directory and file of the settings in the pods of the agent. */
export const SETTINGS_DIRECTORY = "/etc/cedana-agent";
export const SETTINGS_FILE = "settings.json";

/** Directory and file of the registry's credentials in the pods of the agent. */
export const CREDENTIALS_DIRECTORY = "/etc/cedana-registry";
export const CREDENTIALS_FILE = "config.json";

/** Directory of the kubelet's checkpoint archives. */
export const ARCHIVES = "/var/lib/kubelet/checkpoints";
/** Directory of the agent's journal on its node. */
export const STATE = "/var/lib/cedana-cdk/agent";
/** Symbolic link to CRIU for the container runtime. Its directory is the first one in the PATH of systemd services. */
export const CRIU_LINK = "/usr/local/sbin/criu";

/** Pod condition and readiness gate of the health check: whether the node can checkpoint. */
export const HEALTH_CONDITION = "cedana.ai/node-can-checkpoint";

/** Returns the settings that the agents of all engines have. */
function commonSettings(engine: NodeAgentSettings, install: ResolvedInstall) {
  const { quota, reserve, repository, logLevel } = engine;
  const checkpoints = checkpointsOf(install);
  const credentials = credentialsOf(engine);
  return {
    namespace: agentNamespace(install),
    criuLink: CRIU_LINK,
    state: STATE,
    quotaBytes: quantityBytes(quota),
    reserveBytes: quantityBytes(reserve),
    maxConcurrent: checkpoints ? checkpoints.maxPerNode : 1,
    repository,
    registry:
      credentials === "docker-config"
        ? { credentials, dockerConfig: `${CREDENTIALS_DIRECTORY}/${CREDENTIALS_FILE}` }
        : { credentials },
    log: { level: logLevel },
  };
}

function healthSettings({ allowCgroupV1 }: NodeAgentSettings, { healthCheck }: ResolvedInstall) {
  const { periodSeconds, timeoutSeconds } = healthCheck;
  return { periodSeconds, timeoutSeconds, minKernel: MINIMUM_KERNEL, allowCgroupV1 };
}

/** Returns the settings of the agents of an install with the engine `kubelet`. */
export function agentSettings(engine: ResolvedKubeletEngine, install: ResolvedInstall): KubeletAgentSettings {
  const { kind, folder, runtime, requireRestore } = engine;
  return {
    engine: kind,
    ...commonSettings(engine, install),
    folder,
    runtime: runtime === "crio" ? "crio" : "containerd",
    archives: ARCHIVES,
    kubelet: { port: 10_250 },
    health: {
      ...healthSettings(engine, install),
      requireRestore,
      runtimeConfig: runtimeConfig(engine),
    },
  };
}

/** Returns the settings of the agents of an install with the engine `criu`. */
export function criuAgentSettings(engine: ResolvedCriuEngine, install: ResolvedInstall): CriuAgentSettings {
  const runtime = "containerd";
  return {
    engine: engine.kind,
    ...commonSettings(engine, install),
    folder: NODE_FOLDER,
    runtime,
    socket: SERVICE_SOCKET,
    stateSocket: STATE_SOCKET,
    handler: { name: CRIU_HANDLER.name, binary: WRAPPER },
    health: { ...healthSettings(engine, install), runtimeConfig: runtimeConfig({ runtime }) },
  };
}

/** Returns the path of the container runtime's configuration on a node. */
export function runtimeConfig({ runtime }: Pick<ResolvedKubeletEngine, "runtime">): string {
  return runtime === "crio" ? "/etc/crio/crio.conf" : "/etc/containerd/config.toml";
}
