/** What must hold of a controller, judged by what the API server and the proxies saw. */
import { isDeepStrictEqual } from "node:util";
import { holderIn } from "./controller-fleet";
import type { Gate } from "./controller-gate";
import { CONDITION, TAINT, type Node } from "./controller-objects";
import type { Change } from "./controller-watch";
import type { Exchange } from "./fault-proxy";

/** G3: what a controller's writes changed that is not its own. Kinds of write other than those it needs are named, too. */
export function foreignChanges(gate: Gate, exchanges: readonly Exchange[]): string[] {
  const versions = new Map<string, Change<Node>[]>();
  for (const change of gate.nodes.changes) {
    const { uid } = change.object.metadata;
    const known = versions.get(uid);
    if (known) known.push(change);
    else versions.set(uid, [change]);
  }
  const wrong: string[] = [];
  for (const { method, path, status = 0, answer } of exchanges) {
    if (method === "GET" || status >= 300 || status === 0) continue;
    if (/\/(leases|events)(\/|$)/.test(path)) continue;
    if (!/^\/api\/v1\/nodes\/[^/]+(\/status)?$/.test(path)) {
      wrong.push(`${method} ${path}`);
      continue;
    }
    const after = answer as Node;
    const revision = Number(after.metadata.resourceVersion);
    const before = versions.get(after.metadata.uid)?.findLast((change) => change.revision < revision)?.object;
    if (before && !isDeepStrictEqual(foreignOf(before), foreignOf(after))) {
      wrong.push(
        `${method} ${path} changed ${JSON.stringify(foreignOf(before))} to ${JSON.stringify(foreignOf(after))}`,
      );
    }
  }
  return wrong;
}

/** All of a node but the gate's taint and condition, and who wrote what. */
export function foreignOf(node: Node): object {
  const { managedFields: _fields, resourceVersion: _revision, ...metadata } = node.metadata;
  const { taints = [], ...spec } = node.spec;
  const { conditions = [], ...status } = node.status;
  return {
    metadata,
    spec: { ...spec, taints: taints.filter(({ key }) => key !== TAINT.key) },
    status: { ...status, conditions: conditions.filter(({ type }) => type !== CONDITION) },
  };
}

/** Fields of a node that a field manager owns, as paths. */
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

/** Writes to nodes by replicas that did not hold the Lease, by the Lease's history as the proxies saw it. */
export function writesWithoutLease(exchanges: readonly Exchange[]): string[] {
  const terms = exchanges
    .filter((it) => holderIn(it) !== undefined && it.status !== undefined && it.status < 300)
    .map((it) => ({ at: it.answeredAt ?? Infinity, replica: it.replica, holder: holderIn(it) ?? "" }))
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

/** Nodes that are not as they must be once everything has come to rest. */
export function unsettled(gate: Gate): string[] {
  return [...gate.nodes.objects.keys()].flatMap((name) => {
    const ready = gate.agentsReady(name);
    const condition = gate.condition(name);
    return [
      ...(ready && gate.isTainted(name) ? [`${name}: agents are ready, the taint is there`] : []),
      ...(condition === (ready ? "True" : "False")
        ? []
        : [`${name}: agents ${ready ? "are" : "are not"} ready, the condition is ${condition}`]),
    ];
  });
}

/** Requests a second within a stretch of time. */
export function requestRate(exchanges: readonly Exchange[], from: number, to: number): number {
  const count = exchanges.filter(({ receivedAt }) => receivedAt >= from && receivedAt < to).length;
  return count / ((to - from) / 1000);
}
