import { createHash } from "node:crypto";
import type { V1ConfigMap } from "@kubernetes/client-node";
import { agentSettings, SETTINGS_FILE } from "../../../../config/programs/agent";
import { HASH_ANNOTATION } from "../../../../config/programs/controller";
import { agentNamespace, namesOf } from "../../../../config/install";
import type { KubeletInput } from "./input";
import { metadata, type Manifest } from "../../object";

/** `AgentSettings` as JSON. */
function settingsText({ engine, install }: KubeletInput): string {
  return `${JSON.stringify(agentSettings(engine, install), undefined, 2)}\n`;
}

/** What helper and health check are told. */
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

/** The annotation by which pods begin anew with other settings, and by which the gate knows those that have not yet. */
export function settingsHash(input: KubeletInput): Record<string, string> {
  return { [HASH_ANNOTATION]: createHash("sha256").update(settingsText(input)).digest("hex") };
}
