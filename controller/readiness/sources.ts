import type { AgentSettings, GateSettings } from "../../config/programs/controller";
import {
  keyOf,
  type Cache,
  type CachedObjects,
  type Change,
  type Index,
  type Objects,
  type Request,
} from "../../kube";
import { NodeStats, classify } from "./disruption-limit";
import {
  assess,
  installationOf,
  updateHistory,
  updatePresences,
  withWrite,
  type AgentDaemonSet,
  type AgentPod,
  type AgentPresence,
  type GateKinds,
  type GateNode,
  type NodeHistory,
  type NodeSnapshot,
} from "./rules";

/** The current state of nodes, from the cache and the history of each node. */
export class NodeSnapshots {
  readonly stats = new NodeStats();
  private presences: readonly AgentPresence[] = [];
  private onceReady = false;
  private readonly histories = new Map<string, NodeHistory>();
  private readonly podsOn: Index<AgentPod>;

  constructor(
    private readonly sources: Sources,
    private readonly settings: GateSettings,
  ) {
    this.podsOn = sources.pods.index(({ nodeName }) => [nodeName]);
  }

  /** Evaluates a node and updates its history and the statistics. @returns undefined if it does not exist */
  get(name: string): NodeSnapshot | undefined {
    const { sources, settings } = this;
    const node = sources.nodes.get(name);
    if (!node) {
      this.histories.delete(name);
      this.stats.update(name, undefined);
      return undefined;
    }
    const now = Date.now();
    this.presences = updatePresences(
      settings.agents,
      this.presences,
      (agent) => daemonSetOf(sources, agent),
      now,
    );
    const assessment = assess(node, this.presences, this.podsOn(name), settings, now);
    const history = updateHistory(this.histories.get(name), node, assessment, settings, now);
    this.histories.set(name, history);
    this.stats.update(name, classify({ node, assessment, history, settings }));
    this.onceReady ||= history.onceReady;
    const installation = installationOf(this.presences, this.onceReady, now);
    const tooManyUnready = this.stats.isTooManyUnready(settings);
    return { node, assessment, history, installation, tooManyUnready, settings, now };
  }

  /** Adds a write of this process to the history of a node. */
  recordWrite(name: string, write: Parameters<typeof withWrite>[1]): void {
    const history = this.histories.get(name);
    if (history) this.histories.set(name, withWrite(history, write, Date.now()));
  }
}

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

/** Time over which all nodes are reconciled when a DaemonSet changed. */
const SPREAD_MS = 5000;

/** Returns the node of a change, unless only its version differs. */
export function nodesOfNode(change: Change<GateNode>): readonly string[] {
  return isSame(change) ? [] : [change.key];
}

/** Returns the nodes of a pod's change. */
export function nodesOfPod(nodes: Sources["nodes"], change: Change<AgentPod>): readonly string[] {
  if (isSame(change)) return [];
  const names = new Set([change.old?.nodeName, change.new?.nodeName]);
  return [...names].filter((name) => name !== undefined).filter((name) => nodes.get(name));
}

/** Returns all nodes, with delays that spread them, if a DaemonSet changed. */
export function nodesOfDaemonSet(
  nodes: Sources["nodes"],
  change: Change<AgentDaemonSet>,
): readonly Exclude<Request, string>[] {
  if (isSame(change)) return [];
  const all = nodes.list();
  return all.map(({ metadata }, index) => ({
    key: metadata.name,
    afterMs: Math.min(index, (SPREAD_MS * index) / all.length),
  }));
}

/** Calls the function with each node that a change affects, also while this process does not lead. */
export function onAffectedNode({ nodes, pods, daemonSets }: Sources, observe: (name: string) => void): void {
  nodes.onChange((change) => nodesOfNode(change).forEach(observe));
  pods.onChange((change) => nodesOfPod(nodes, change).forEach(observe));
  daemonSets.onChange((change) => nodesOfDaemonSet(nodes, change).forEach(({ key }) => observe(key)));
}

/** Checks whether only the version differs, of the fields in use. */
function isSame<T extends { readonly metadata: object }>({ old, new: next }: Change<T>): boolean {
  if (!old || !next) return false;
  return JSON.stringify({ ...old, metadata: 0 }) === JSON.stringify({ ...next, metadata: 0 });
}
