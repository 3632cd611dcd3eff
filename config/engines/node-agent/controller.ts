import { agentNamespace, type CheckpointsOf, type ResolvedInstall } from "../../install";
import { derived, described, dnsLabel, registryRepository, shape } from "../../schema";
import { boolean } from "../../schema/valibot";
import { timeoutSeconds } from "../engine";
import { agentResponseSeconds, type NodeAgentSettings } from "./schema";

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

/** Returns the settings of the controller's checkpoints that engines with node agents share. */
export function agentCheckpoints<const K extends string>(
  {
    kind,
    repository,
    repositoryPerNamespace,
    agentResponseSeconds: responseSeconds,
  }: NodeAgentSettings & { readonly kind: K },
  install: ResolvedInstall,
  { maxPerNode, namespaces, timeoutSeconds, waitSeconds }: CheckpointsOf,
) {
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
  };
}
