/** Whether a DaemonSet has a pod on a node, by the rules of the DaemonSet controller (Kubernetes 1.34, `nodeShouldRunDaemonPod`). */

import { tolerates, toTaintText } from "../../../config/nodes";

/** A taint as in the Kubernetes API. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  /** RFC 3339; only on taints of effect NoExecute. */
  readonly timeAdded?: string;
}

interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Term {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

/** The scheduling constraints of a pod template, as in the Kubernetes API. */
export interface RawPlacement {
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly Toleration[];
  readonly hostNetwork?: boolean;
  readonly affinity?: {
    readonly nodeAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: {
        readonly nodeSelectorTerms?: readonly Term[];
      };
    };
  };
}

/** The settings of a DaemonSet that exclude nodes. */
export interface Placement {
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** A node must match one of them. Undefined: any node. */
  readonly terms?: readonly Term[];
  /** Including those that the DaemonSet controller adds. */
  readonly tolerations: readonly Toleration[];
}

/** Taints that the DaemonSet controller tolerates for all its pods. */
const TOLERATED = [
  ["node.kubernetes.io/not-ready", "NoExecute"],
  ["node.kubernetes.io/unreachable", "NoExecute"],
  ["node.kubernetes.io/disk-pressure", "NoSchedule"],
  ["node.kubernetes.io/memory-pressure", "NoSchedule"],
  ["node.kubernetes.io/pid-pressure", "NoSchedule"],
  ["node.kubernetes.io/unschedulable", "NoSchedule"],
] as const;
const TOLERATED_WITH_HOST_NETWORK = ["node.kubernetes.io/network-unavailable", "NoSchedule"] as const;

/** Returns the settings of a pod template that exclude nodes. */
export function placementOf(spec: RawPlacement = {}): Placement {
  const { nodeSelector = {}, tolerations = [], hostNetwork = false, affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const added = hostNetwork ? [...TOLERATED, TOLERATED_WITH_HOST_NETWORK] : TOLERATED;
  return {
    nodeSelector,
    ...(required && { terms: required.nodeSelectorTerms ?? [] }),
    tolerations: [...tolerations, ...added.map(([key, effect]) => ({ key, operator: "Exists", effect }))],
  };
}

interface PlacedNode {
  readonly metadata: { readonly name: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
}

/** Returns the settings that exclude the node and what the node has instead; undefined if none does. */
export function exclusionOf(node: PlacedNode, placement: Placement): string | undefined {
  const reasons = [...selectorReasons(node, placement), ...affinityReasons(node, placement)];
  const untolerated = node.taints
    .filter(({ effect }) => effect === "NoSchedule" || effect === "NoExecute")
    .filter((taint) => !placement.tolerations.some((toleration) => tolerates(toleration, taint)))
    .map(toTaintText);
  if (untolerated.length > 0) reasons.push(`tolerations lack the node's taint ${untolerated.join(", ")}`);
  return reasons.length === 0 ? undefined : reasons.join("; ");
}

function selectorReasons({ labels }: PlacedNode, { nodeSelector }: Placement): string[] {
  return Object.entries(nodeSelector)
    .filter(([key, value]) => labels[key] !== value)
    .map(
      ([key, value]) => `nodeSelector requires ${key}=${value}, and the node has ${labelText(labels, key)}`,
    );
}

function affinityReasons(node: PlacedNode, { terms }: Placement): string[] {
  if (terms === undefined) return [];
  if (terms.length === 0) return ["affinity has no term, so it matches no node"];
  const failures = terms.map((term) => unmet(node, term));
  if (failures.some((failure) => failure === undefined)) return [];
  return failures.map((failure, index) => `affinity term ${index + 1} ${failure ?? ""}`);
}

/** Returns the first requirement of a term that the node does not meet; undefined if it meets all. */
function unmet({ metadata, labels }: PlacedNode, { matchExpressions = [], matchFields = [] }: Term) {
  if (matchExpressions.length + matchFields.length === 0) return "is empty, so it matches no node";
  const fields = { "metadata.name": metadata.name };
  const failed =
    matchExpressions.find((one) => !meets(labels, one)) ?? matchFields.find((one) => !meets(fields, one));
  if (failed === undefined) return undefined;
  const has = matchExpressions.includes(failed) ? labelText(labels, failed.key) : `the name ${metadata.name}`;
  return `requires ${requirementText(failed)}, and the node has ${has}`;
}

/** Checks a requirement. An operator that this version does not know counts as met: it must not be named as the cause. */
function meets(
  labels: Readonly<Record<string, string>>,
  { key, operator, values = [] }: Requirement,
): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return true;
  }
}

function requirementText({ key, operator, values = [] }: Requirement): string {
  return values.length === 0 ? `${key} ${operator}` : `${key} ${operator} [${values.join(", ")}]`;
}

function labelText(labels: Readonly<Record<string, string>>, key: string): string {
  const value = labels[key];
  return value === undefined ? `no label ${key}` : `${key}=${value}`;
}
