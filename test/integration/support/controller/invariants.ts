/** Checks the guarantees of a controller against the changes of the cluster and the requests at the proxies. */
import { isDeepStrictEqual } from "node:util";
import { holderIn } from "./fleet";
import type { Gate } from "./gate";
import {
  AGENTS,
  CONDITION,
  GATE,
  HASH,
  TAINT,
  agentOf,
  hasTaint,
  isReady,
  isWorkload,
  type Agent,
  type DaemonSet,
  type Node,
  type Pod,
} from "./objects";
import type { Change } from "./watch";
import type { Exchange } from "./fault-proxy";

/** G3: returns writes that changed fields of other owners, and writes to other objects than nodes, Leases and events. */
export function foreignChanges(gate: Gate, exchanges: readonly Exchange[]): string[] {
  const versions = new Map<string, Change<Node>[]>();
  for (const change of gate.nodes.changes) {
    const { uid } = change.object.metadata;
    const known = versions.get(uid);
    if (known) known.push(change);
    else versions.set(uid, [change]);
  }
  const wrong: string[] = [];
  for (const { method, path, status = 0, response } of exchanges) {
    if (method === "GET" || status >= 300 || status === 0) continue;
    if (/\/(leases|events)(\/|$)/.test(path)) continue;
    if (!/^\/api\/v1\/nodes\/[^/]+(\/status)?$/.test(path)) {
      wrong.push(`${method} ${path}`);
      continue;
    }
    const after = response as Node;
    const revision = Number(after.metadata.resourceVersion);
    const before = versions.get(after.metadata.uid)?.findLast((change) => change.revision < revision)?.object;
    if (before && !isDeepStrictEqual(foreignFields(before), foreignFields(after))) {
      wrong.push(
        `${method} ${path} changed ${JSON.stringify(foreignFields(before))} to ${JSON.stringify(foreignFields(after))}`,
      );
    }
  }
  return wrong;
}

/** Returns a node without the gate's taint and condition, managedFields and resourceVersion. */
export function foreignFields(node: Node): object {
  const { managedFields: _fields, resourceVersion: _revision, ...metadata } = node.metadata;
  const { taints = [], ...spec } = node.spec;
  const { conditions = [], ...status } = node.status;
  return {
    metadata,
    spec: { ...spec, taints: taints.filter(({ key }) => key !== TAINT.key) },
    status: { ...status, conditions: conditions.filter(({ type }) => type !== CONDITION) },
  };
}

/** Returns the paths of the node's fields that a field manager owns. */
export function ownedFields({ metadata }: Node, manager: string): string[] {
  const paths = (fields: Record<string, unknown>, prefix: string): string[] => {
    const entries = Object.entries(fields).filter(([name]) => name !== ".");
    if (entries.length === 0) return [prefix];
    return entries.flatMap(([name, inner]) =>
      paths(inner as Record<string, unknown>, `${prefix}${prefix && "."}${name.replace(/^[fk]:/, "")}`),
    );
  };
  return (metadata.managedFields ?? [])
    .filter((entry) => entry.manager === manager)
    .flatMap(({ fieldsV1 }) => paths(fieldsV1, ""))
    .toSorted();
}

/** G8: returns writes to nodes by replicas that did not hold the Lease, by the Lease's history at the proxies. */
export function writesWithoutLease(exchanges: readonly Exchange[]): string[] {
  const terms = exchanges
    .filter((it) => holderIn(it) !== undefined && it.status !== undefined && it.status < 300)
    .map((it) => ({ at: it.respondedAt ?? Infinity, replica: it.replica, holder: holderIn(it) ?? "" }))
    .toSorted((one, other) => one.at - other.at);
  return exchanges
    .filter(({ method, path, forwardedAt }) => {
      return method !== "GET" && forwardedAt !== undefined && !/\/(leases|events)(\/|$)/.test(path);
    })
    .filter(({ replica, forwardedAt = 0 }) => {
      const term = terms.findLast(({ at }) => at <= forwardedAt);
      return term === undefined || term.replica !== replica || term.holder === "";
    })
    .map(({ replica, method, path, forwardedAt }) => `${replica} sent ${method} ${path} at ${forwardedAt}`);
}

/** Returns the nodes whose taint or condition does not match the readiness of their agents. */
export function notConverged(gate: Gate): string[] {
  return [...gate.nodes.objects.keys()].flatMap((name) => {
    const ready = gate.agentsReady(name);
    const condition = gate.condition(name);
    return [
      ...(ready && gate.isTainted(name) ? [`${name}: agents are Ready, but the taint is present`] : []),
      ...(condition === (ready ? "True" : "False")
        ? []
        : [`${name}: agents are ${ready ? "" : "not "}Ready, but the condition is ${condition}`]),
    ];
  });
}

/** Returns the requests per second in a period. */
export function requestRate(exchanges: readonly Exchange[], from: number, to: number): number {
  const count = exchanges.filter(({ receivedAt }) => receivedAt >= from && receivedAt < to).length;
  return count / ((to - from) / 1000);
}

/**
 * G1: checks that no taint was removed and no workload bound before both agents were Ready with the current configuration.
 *
 * @param graceMs maximum age of the readiness: it can change while the controller's write is in flight
 * @returns violations
 */
export function gateViolations(gate: Gate, graceMs: number): string[] {
  const replay = new Replay(graceMs);
  const steps = [
    ...gate.nodes.changes.map((change) => ({ of: change, run: () => replay.node(change) })),
    ...gate.pods.changes.map((change) => ({ of: change, run: () => replay.pod(change) })),
    ...gate.daemonSets.changes.map((change) => ({ of: change, run: () => replay.daemonSet(change) })),
  ].toSorted((one, other) => one.of.revision - other.of.revision);
  for (const { run } of steps) run();
  return replay.violations;
}

interface NodeHihistory {
  readonly uid: string;
  tainted: boolean;
  /** Last time at which both agents were Ready on this node. */
  readyAt?: number;
}

/** Replays all changes in the order of their revisions. */
class Replay {
  readonly violations: string[] = [];
  readonly #nodes = new Map<string, NodeHihistory>();
  readonly #pods = new Map<string, Map<string, Pod>>();
  readonly #hashes: Partial<Record<Agent, string>> = {};
  readonly #bound = new Set<string>();

  constructor(private readonly graceMs: number) {}

  node({ at, type, object, revision }: Change<Node>): void {
    const { name, uid } = object.metadata;
    this.#updateReadiness(name, at);
    const history = this.#nodes.get(name);
    const tainted = hasTaint(object);
    if (type === "DELETED") this.#nodes.delete(name);
    else if (history?.uid !== uid) this.#nodes.set(name, { uid, tainted });
    else {
      const late = history.readyAt === undefined || at - history.readyAt > this.graceMs;
      const gated = object.metadata.labels?.[GATE] !== undefined;
      if (gated && history.tainted && !tainted && late) {
        this.violations.push(`${name} lost its taint at revision ${revision}, but its agents were not Ready`);
      }
      history.tainted = tainted;
    }
    this.#updateReadiness(name, at);
  }

  pod({ at, type, object }: Change<Pod>): void {
    const node = object.spec.nodeName;
    if (node === undefined) return;
    if (isWorkload(object)) {
      this.#workload(object, node);
      return;
    }
    // Agents that were Ready before this change were so until now.
    this.#updateReadiness(node, at);
    const pods = this.#pods.get(node) ?? new Map<string, Pod>();
    this.#pods.set(node, pods);
    if (type === "DELETED") pods.delete(object.metadata.uid);
    else pods.set(object.metadata.uid, object);
    this.#updateReadiness(node, at);
  }

  daemonSet({ at, type, object }: Change<DaemonSet>): void {
    for (const node of this.#nodes.keys()) this.#updateReadiness(node, at);
    const agent = agentOf(object);
    if (agent === undefined) return;
    const hash = object.spec.template.metadata.annotations?.[HASH];
    this.#hashes[agent] = type === "DELETED" ? undefined : hash;
    for (const node of this.#nodes.keys()) this.#updateReadiness(node, at);
  }

  #workload({ metadata: { name, uid } }: Pod, node: string): void {
    if (this.#bound.has(uid)) return;
    this.#bound.add(uid);
    if (this.#nodes.get(node)?.readyAt === undefined) {
      this.violations.push(`${name} was bound to ${node}, where the agents were never Ready`);
    }
  }

  #updateReadiness(name: string, at: number): void {
    const history = this.#nodes.get(name);
    if (!history) return;
    const pods = [...(this.#pods.get(name)?.values() ?? [])];
    const ready = AGENTS.every((agent) =>
      pods.some(
        (pod) =>
          agentOf(pod) === agent && isReady(pod) && pod.metadata.annotations?.[HASH] === this.#hashes[agent],
      ),
    );
    if (ready) history.readyAt = at;
  }
}
