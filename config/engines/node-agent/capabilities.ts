import { agentNamespace, namesOf, type ResolvedInstall } from "../../install";
import type { EngineCapabilities, RequiredSecret } from "../engine";
import { credentialsOf, type NodeAgentSettings } from "./schema";

type Registry = Pick<NodeAgentSettings, "repository" | "registryCredentials">;

/**
 * Returns the capabilities of an engine whose node agent pushes checkpoints to a registry. Agent and health check have
 * separate roles (EKS Pod Identity).
 * @param use pulls: whether the agent also pulls checkpoints. Otherwise the container runtime pulls them
 */
export function nodeAgentCapabilities(
  engine: Registry,
  install: ResolvedInstall,
  { pulls }: { readonly pulls: boolean },
): EngineCapabilities {
  const { repository } = engine;
  const namespace = agentNamespace(install);
  const { agentAccount, healthCheck } = namesOf(install);
  const agent = { namespace, serviceAccount: agentAccount };
  return {
    storage: { in: "registry", property: ["repository"], repository },
    containerRuntime: "containerd",
    ...(credentialsOf(engine) === "ecr" && {
      registryAccess: {
        pushers: [agent],
        pullers: pulls ? [agent] : [],
        checkers: [{ namespace, serviceAccount: healthCheck }],
      },
    }),
    secrets: secrets(engine, namespace),
  };
}

/** Returns the Secret of the registry's credentials. The key determines its type. */
function secrets({ registryCredentials }: Registry, namespace: string): RequiredSecret[] {
  if (!registryCredentials) return [];
  const { key, name } = registryCredentials;
  const isDockerConfig = key === ".dockerconfigjson";
  return [
    { namespace, name, keys: [key], ...(isDockerConfig && { type: "kubernetes.io/dockerconfigjson" }) },
  ];
}
