import {
  agentNamespace,
  checkpointsOf,
  deleteArtifactsOf,
  namesOf,
  type ResolvedInstall,
} from "../../install";
import type { EngineCapabilities, RequiredSecret } from "../engine";
import { checksThat } from "./checks";
import { credentialsOf, type NodeAgentSettings } from "./schema";

type Registry = Pick<NodeAgentSettings, "repository" | "repositoryPerNamespace" | "registryCredentials">;

/**
 * Returns the capabilities of an engine whose node agent pushes checkpoints to a registry and pulls them. Agent and health check have
 * separate roles (EKS Pod Identity).
 */
export function nodeAgentCapabilities(
  engine: Registry & Pick<NodeAgentSettings, "checks">,
  install: ResolvedInstall,
): EngineCapabilities {
  const { checks, repository, repositoryPerNamespace } = engine;
  const checkpoints = checkpointsOf(install);
  const namespace = agentNamespace(install);
  const { agentAccount, controller, healthCheck } = namesOf(install);
  const deletion = deleteArtifactsOf(install);
  const agent = { namespace, serviceAccount: agentAccount };
  return {
    storage: {
      in: "registry",
      property: ["repository"],
      repository,
      ...(repositoryPerNamespace && checkpoints && { namespaces: checkpoints.namespaces }),
    },
    ...(credentialsOf(engine) === "ecr" && {
      registryAccess: {
        pushers: [agent],
        pullers: [agent],
        checkers: [{ namespace, serviceAccount: healthCheck }],
        ...(deletion &&
          !deletion.registryCredentials && {
            deleters: [{ namespace: install.namespace, serviceAccount: controller }],
          }),
      },
    }),
    secrets: [...secrets(engine, namespace), ...(deletion ? secrets(deletion, install.namespace) : [])],
    healthChecks: { gate: checksThat("gate", checks), warn: checksThat("warn", checks) },
  };
}

/** Returns the Secret of the registry's credentials. The key determines its type. */
function secrets(
  { registryCredentials }: Pick<Registry, "registryCredentials">,
  namespace: string,
): RequiredSecret[] {
  if (!registryCredentials) return [];
  const { key, name } = registryCredentials;
  const isDockerConfig = key === ".dockerconfigjson";
  return [
    { namespace, name, keys: [key], ...(isDockerConfig && { type: "kubernetes.io/dockerconfigjson" }) },
  ];
}
