import { agentNamespace, namesOf, type ResolvedInstall } from "../../install";
import type { EngineCapabilities, EngineDefinition, RequiredSecret } from "../engine";
import { checkKubeletEngine } from "./check";
import { checkKubeletInstall } from "./check-install";
import { kubeletControllerSchema, kubeletControllerSettings } from "./controller";
import { KUBELET_FEATURES, renderKubeletTable } from "./features";
import { credentialsOf } from "./registry";
import { kubeletEngineSchema, type ResolvedKubeletEngine } from "./schema";
import { kubeletTemplate } from "./template";

export const KUBELET: EngineDefinition<typeof kubeletEngineSchema, typeof kubeletControllerSchema> = {
  schema: kubeletEngineSchema,
  restoresBy: "image",
  needsController: true,
  check: checkKubeletEngine,
  checkInstall: checkKubeletInstall,
  capabilities,
  controller: { schema: kubeletControllerSchema, settings: kubeletControllerSettings },
  features: { text: renderKubeletTable, json: () => ({ features: KUBELET_FEATURES }) },
  template: kubeletTemplate,
};

/** The agent pushes images, the health check reads them, each with a separate role (EKS Pod Identity). */
function capabilities(engine: ResolvedKubeletEngine, install: ResolvedInstall): EngineCapabilities {
  const { repository } = engine;
  const namespace = agentNamespace(install);
  const { agentAccount, healthCheck } = namesOf(install);
  return {
    storage: { in: "registry", property: ["repository"], repository },
    containerRuntime: "containerd",
    ...(credentialsOf(engine) === "ecr" && {
      registryAccess: {
        pushers: [{ namespace, serviceAccount: agentAccount }],
        checkers: [{ namespace, serviceAccount: healthCheck }],
      },
    }),
    secrets: secrets(engine, namespace),
  };
}

/** The key of a Docker config.json implies the type of the Secret. */
function secrets({ registryCredentials }: ResolvedKubeletEngine, namespace: string): RequiredSecret[] {
  if (!registryCredentials) return [];
  const { key, name } = registryCredentials;
  const isDockerConfig = key === ".dockerconfigjson";
  return [
    { namespace, name, keys: [key], ...(isDockerConfig && { type: "kubernetes.io/dockerconfigjson" }) },
  ];
}
