import { createHash } from "node:crypto";
import type { Construct } from "constructs";
import type { V1ConfigMap } from "@kubernetes/client-node";
import type { ResolvedKubeletEngine } from "../../../../config/engines";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";
import { SETTINGS_FILE, agentSettings } from "../../../../config/programs/agent";
import { HASH_ANNOTATION } from "../../../../config/programs/controller";
import { agentNamespace, namesOf } from "../../../../config/install";
import { metadata, type Manifest } from "../../object";

export type KubeletInput = EngineInput<ResolvedKubeletEngine>;

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function kubeletInputOf(scope: Construct, props: EngineProps): KubeletInput {
  return inputOfKind(scope, props, "kubelet");
}

/** Returns `AgentSettings` as JSON. */
function settingsText({ engine, install }: KubeletInput): string {
  return `${JSON.stringify(agentSettings(engine, install), undefined, 2)}\n`;
}

/** Returns the ConfigMap with the settings of helper and health check. */
export function settingsConfigMap(input: KubeletInput): Manifest<V1ConfigMap> {
  const { install } = input;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata(install, {
      name: namesOf(install).agentSettings,
      namespace: agentNamespace(install),
    }),
    data: { [SETTINGS_FILE]: settingsText(input) },
  };
}

/**
 * Returns the annotation with the hash of the settings. A change restarts the pods. The readiness gate compares it to detect
 * pods that still run with the previous settings.
 */
export function settingsHash(input: KubeletInput): Record<string, string> {
  return { [HASH_ANNOTATION]: createHash("sha256").update(settingsText(input)).digest("hex") };
}
