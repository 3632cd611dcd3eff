import type { AgentSettings, GateSettings } from "../../config/programs/controller";
import { keyOf, type Cache, type CachedObjects, type Objects } from "../../kube";
import type { AgentDaemonSet, AgentPod, GateKinds, GateNode } from "./rules";

/** The objects that the gate reads. */
export interface Sources {
  readonly nodes: Objects<GateNode>;
  readonly pods: Objects<AgentPod>;
  readonly daemonSets: Objects<AgentDaemonSet>;
}

export interface CachedSources extends Sources {
  readonly nodes: CachedObjects<GateNode>;
  readonly pods: CachedObjects<AgentPod>;
  readonly daemonSets: CachedObjects<AgentDaemonSet>;
}

/**
 * Caches all nodes, because one that the selector no longer matches may still have our taint, but only the agents' pods and
 * DaemonSets.
 */
export function cacheSources(
  cache: Cache,
  kinds: GateKinds,
  { agents, podSelector }: Pick<GateSettings, "agents" | "podSelector">,
): CachedSources {
  const labelSelector = Object.entries(podSelector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const scope = { namespaces: agents.map(({ namespace }) => namespace), labelSelector };
  return {
    nodes: cache.objects(kinds.nodes),
    pods: cache.objects(kinds.pods, scope),
    daemonSets: cache.objects(kinds.daemonSets, scope),
  };
}

export function daemonSetOf(
  { daemonSets }: Pick<Sources, "daemonSets">,
  { namespace, daemonSet: name }: AgentSettings,
): AgentDaemonSet | undefined {
  return daemonSets.get(keyOf({ metadata: { namespace, name } }));
}
