import type { Change, Request } from "../../kube";
import type { AgentDaemonSet, AgentPod, GateNode } from "./rules";
import type { Sources } from "./sources";

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
