import { credentialsOf, type ResolvedKubeletEngine } from "../../engines/kubelet";
import { agentNamespace, checkpointsOf, type ResolvedInstall } from "../../install";
import { MINIMUM_KERNEL } from "../../nodes";
import { quantityBytes } from "../../schema";
import type { KubeletAgentSettings } from "./schema";

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

/** Returns the settings of the agents of an install with the engine `kubelet`. */
export function agentSettings(engine: ResolvedKubeletEngine, install: ResolvedInstall): KubeletAgentSettings {
  const { folder, runtime, quota, reserve, repository, allowCgroupV1, requireRestore, logLevel } = engine;
  const { periodSeconds, timeoutSeconds } = install.healthCheck;
  const checkpoints = checkpointsOf(install);
  const credentials = credentialsOf(engine);
  return {
    engine: "kubelet",
    namespace: agentNamespace(install),
    folder,
    criuLink: CRIU_LINK,
    runtime: runtime === "crio" ? "crio" : "containerd",
    archives: ARCHIVES,
    state: STATE,
    quotaBytes: quantityBytes(quota),
    reserveBytes: quantityBytes(reserve),
    maxConcurrent: checkpoints ? checkpoints.maxPerNode : 1,
    kubelet: { port: 10_250 },
    repository,
    registry:
      credentials === "docker-config"
        ? { credentials, dockerConfig: `${CREDENTIALS_DIRECTORY}/${CREDENTIALS_FILE}` }
        : { credentials },
    health: {
      periodSeconds,
      timeoutSeconds,
      minKernel: MINIMUM_KERNEL,
      allowCgroupV1,
      requireRestore,
      runtimeConfig: runtimeConfig(engine),
    },
    log: { level: logLevel },
  };
}

/** Returns the path of the container runtime's configuration on a node. */
export function runtimeConfig({ runtime }: Pick<ResolvedKubeletEngine, "runtime">): string {
  return runtime === "crio" ? "/etc/crio/crio.conf" : "/etc/containerd/config.toml";
}
