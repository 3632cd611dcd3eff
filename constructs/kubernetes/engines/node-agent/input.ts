import { createHash } from "node:crypto";
import type { V1ConfigMap } from "@kubernetes/client-node";
import type { Kind } from "../../../../api";
import type { NodeAgentSettings } from "../../../../config/engines/node-agent";
import { SETTINGS_FILE, type AgentSettings } from "../../../../config/programs/agent";
import { HASH_ANNOTATION } from "../../../../config/programs/controller";
import { agentNamespace, namesOf, type ResolvedInstall } from "../../../../config/install";
import { metadata, type Manifest } from "../../object";
import type { Mounts } from "./pod";

/** Input of the objects of the node agent: what all its engines have, and what one of them adds. */
export interface NodeAgentInput {
  readonly engine: NodeAgentSettings;
  readonly install: ResolvedInstall;
  /** Settings of the programs. */
  readonly settings: AgentSettings;
  /** Kinds whose objects request work from the helper. */
  readonly kinds: readonly Kind[];
  /** Path of the OCI runtime wrapper that the helper installs on the node. */
  readonly wrapper: string;
  /** Directories of the node for the helper. */
  readonly helperMounts: Mounts;
  /** Directories of the node for the container criu-check, which is root. */
  readonly checkMounts: Mounts;
  /** Directories of the node for the container health-check, which is not root. */
  readonly healthMounts: Mounts;
  /** Directories of the node, below that of the agent's state, that the removal deletes. */
  readonly data: readonly string[];
}

function settingsText({ settings }: NodeAgentInput): string {
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

/** Returns the ConfigMap with the settings of helper and health check: `AgentSettings` as JSON. */
export function settingsConfigMap(input: NodeAgentInput): Manifest<V1ConfigMap> {
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

/** Returns the annotation that restarts pods after a change of the settings, and by which the gate recognizes outdated pods. */
export function settingsHash(input: NodeAgentInput): Record<string, string> {
  return { [HASH_ANNOTATION]: createHash("sha256").update(settingsText(input)).digest("hex") };
}
