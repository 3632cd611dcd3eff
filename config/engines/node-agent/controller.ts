import {
  agentNamespace,
  artifactWaitSeconds,
  deleteArtifactsOf,
  ORPHAN_MODES,
  orphanHours,
  type CheckpointsOf,
  type ResolvedInstall,
} from "../../install";
import { derived, described, dnsLabel, registryRepository, shape } from "../../schema";
import { boolean, picklist, type InferOutput } from "../../schema/valibot";
import { timeoutSeconds } from "../engine";
import { registryAccess } from "./registry-access";
import { agentResponseSeconds, credentialsOf, type NodeAgentSettings } from "./schema";

/** Describes the agents of the nodes to the controller. */
export const agentAccess = described(
  shape({
    namespace: described(dnsLabel, "Namespace of the agents, and of the NodeCheckpoint objects."),
    repository: described(registryRepository, "Repository of checkpoint artifacts."),
    repositoryPerNamespace: described(
      derived(boolean(), "false"),
      "Whether the artifacts of each namespace are in <repository>/<namespace>.",
    ),
    timeoutSeconds,
    responseSeconds: described(
      agentResponseSeconds,
      "Seconds within which an agent must report a new checkpoint.",
    ),
  }),
  "Access to the agents of the nodes, through NodeCheckpoint objects.",
);

/** Directory and file of the registry's credentials in the pods of the controller. */
export const CONTROLLER_CREDENTIALS = { directory: "/etc/cedana-registry", file: "config.json" } as const;

/** Describes the deletion of artifacts by the controller. */
export const artifactSettings = described(
  derived(
    shape({
      registry: described(registryAccess, "Access to the registry."),
      waitSeconds: described(
        artifactWaitSeconds,
        "Seconds after its deletion at which a Checkpoint is released without its artifact.",
      ),
      orphans: described(
        picklist(ORPHAN_MODES),
        "What is done with artifacts of this cluster that no Checkpoint names.",
      ),
      orphanHours: described(
        orphanHours,
        "Hours after its checkpoint from which on an artifact can be an orphan.",
      ),
    }),
    "none: artifacts are not deleted",
  ),
  "Deletion of artifacts in the registry.",
);

/** Returns the settings of the deletion of artifacts; none if the install deletes none. */
function artifactsOf(engine: Pick<NodeAgentSettings, "repository">, install: ResolvedInstall) {
  const settings = deleteArtifactsOf(install);
  if (!settings) return {};
  const { registryCredentials, ...times } = settings;
  const credentials = credentialsOf({ repository: engine.repository, registryCredentials });
  const { directory, file } = CONTROLLER_CREDENTIALS;
  const registry: InferOutput<typeof registryAccess> =
    credentials === "docker-config" ? { credentials, dockerConfig: `${directory}/${file}` } : { credentials };
  return { artifacts: { ...times, registry } };
}

/** Returns the settings of the controller's checkpoints that engines with node agents share. */
export function agentCheckpoints<const K extends string>(
  engine: NodeAgentSettings & { readonly kind: K },
  install: ResolvedInstall,
  { maxPerNode, namespaces, timeoutSeconds, waitSeconds }: CheckpointsOf,
) {
  const { kind, repository, repositoryPerNamespace, agentResponseSeconds: responseSeconds } = engine;
  return {
    namespaces,
    maxPerNode,
    waitSeconds,
    locations: [],
    engine: kind,
    agent: {
      namespace: agentNamespace(install),
      repository,
      ...(repositoryPerNamespace && { repositoryPerNamespace }),
      timeoutSeconds,
      responseSeconds,
    },
    ...artifactsOf(engine, install),
  };
}
