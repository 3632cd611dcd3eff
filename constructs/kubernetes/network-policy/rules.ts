/** Rules of NetworkPolicies. */
import type { V1NetworkPolicyPort } from "@kubernetes/client-node";
import { selectorLabels, type ResolvedInstall } from "../../../config/install";
import type { IngressRule } from "../engines/engine";

export function tcp(port: number): V1NetworkPolicyPort {
  return { port, protocol: "TCP" };
}

/** Ports of API servers. */
export const API_PORTS: readonly number[] = [443, 6443];

/** Egress to the DNS of the cluster. */
export const DNS = { ports: [{ port: 53, protocol: "UDP" }, tcp(53)] };

/** Returns the ingress from pods of namespaces with any of the sets of labels. */
export function fromNamespaces(
  all: readonly Record<string, string>[],
  ports: readonly number[],
): IngressRule[] {
  if (all.length === 0) return [];
  return [
    {
      from: all.map((matchLabels) => ({ namespaceSelector: { matchLabels } })),
      ports: ports.map(tcp),
    },
  ];
}

/**
 * Returns the ingress from ranges of addresses; from any address if there are none. The API server connects from outside of the
 * cluster, so no selector matches it.
 */
export function fromRanges(ranges: readonly string[], ports: readonly number[]): IngressRule {
  const from = ranges.map((cidr) => ({ ipBlock: { cidr } }));
  return { ...(from.length === 0 ? {} : { from }), ports: ports.map(tcp) };
}

/** Returns the peer that is the pods of a component in the same namespace. */
export function podsOf(install: ResolvedInstall, component: string) {
  return { podSelector: { matchLabels: selectorLabels(install, component) } };
}
