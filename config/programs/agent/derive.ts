import { credentialsOf, type ResolvedKubeletEngine } from "../../engines";
import { agentNamespace, checkpointsOf, type ResolvedInstall } from "../../install";
import { MINIMUM_KERNEL } from "../../nodes";
import { quantityBytes } from "../../schema";
import type { AgentSettings } from "./schema";

/** Folder of the settings in the pods of the agent, and the file in it. */
export const SETTINGS_FOLDER = "/etc/cedana-agent";
export const SETTINGS_FILE = "settings.json";

/** Folder of the registry's credentials in the pods, and the file in it. */
export const CREDENTIALS_FOLDER = "/etc/cedana-registry";
export const CREDENTIALS_FILE = "config.json";

/** Folder of a kubelet's archives: `checkpoints` in its own. */
export const ARCHIVES = "/var/lib/kubelet/checkpoints";
/** What the agent has under way on its node. */
export const STATE = "/var/lib/cedana-cdk/agent";
/** Where a container runtime finds CRIU: first in the PATH that systemd gives services. */
export const CRIU_LINK = "/usr/local/sbin/criu";

/** Condition of the health check's pod, and its readiness gate: whether the node can checkpoint. */
export const HEALTH_CONDITION = "cedana.ai/node-can-checkpoint";

/** What the agents of an install are told. */
export function agentSettings(engine: ResolvedKubeletEngine, install: ResolvedInstall): AgentSettings {
  const { folder, runtime, quota, reserve, repository, allowCgroupV1, requireRestore, logLevel } = engine;
  const { periodSeconds, timeoutSeconds } = install.healthCheck;
  const checkpoints = checkpointsOf(install);
  const credentials = credentialsOf(engine);
  return {
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
        ? { credentials, dockerConfig: `${CREDENTIALS_FOLDER}/${CREDENTIALS_FILE}` }
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

/** Configuration of the container runtime on a node. */
export function runtimeConfig({ runtime }: Pick<ResolvedKubeletEngine, "runtime">): string {
  return runtime === "crio" ? "/etc/crio/crio.conf" : "/etc/containerd/config.toml";
}
