import * as v from "../../schema/valibot";
import { agentNamespace, type CheckpointsOf, type ResolvedInstall } from "../../install";
import { described, dnsLabel, registryRepository, shape } from "../../schema";
import { checkpointEntries, timeoutSeconds } from "../controller";
import { agentResponseSeconds, type ResolvedKubeletEngine } from "./schema";

/** Settings of the controller's checkpoints by this engine. */
export const kubeletControllerSchema = shape({
  ...checkpointEntries,
  engine: described(v.literal("kubelet"), "Engine that takes checkpoints."),
  agent: described(
    shape({
      namespace: described(dnsLabel, "Namespace of the agents, and of the NodeCheckpoint objects."),
      repository: described(registryRepository, "Repository of checkpoint images."),
      timeoutSeconds,
      responseSeconds: described(
        agentResponseSeconds,
        "Seconds within which an agent must report a new checkpoint.",
      ),
    }),
    "Access to the agents of the nodes, by NodeCheckpoint objects.",
  ),
});

/** Returns these settings. */
export function kubeletControllerSettings(
  { kind, repository, agentResponseSeconds: responseSeconds }: ResolvedKubeletEngine,
  install: ResolvedInstall,
  { maxPerNode, namespaces, timeoutSeconds }: CheckpointsOf,
): v.InferOutput<typeof kubeletControllerSchema> {
  return {
    namespaces,
    maxPerNode,
    locations: [],
    engine: kind,
    agent: { namespace: agentNamespace(install), repository, timeoutSeconds, responseSeconds },
  };
}
