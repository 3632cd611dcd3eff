import type { JsonPatchOperation } from "../../../kube/client";
import type { GateNode } from "./objects";
import { KARPENTER_UNREGISTERED, type GateSettings, type Taint } from "./settings";

type Ours = GateSettings["taint"];

/** Checks whether a taint is ours: by key and effect, as Kubernetes distinguishes taints. Its value may be any. */
export function isOurs(taint: Taint, ours: Ours): boolean {
  return taint.key === ours.key && taint.effect === ours.effect;
}

export function hasOurs({ taints }: Pick<GateNode, "taints">, ours: Ours): boolean {
  return taints.some((taint) => isOurs(taint, ours));
}

/** Checks whether Karpenter has not set the node's labels yet. */
export function isUnregistered({ taints }: Pick<GateNode, "taints">): boolean {
  return taints.some(({ key }) => key === KARPENTER_UNREGISTERED);
}

/**
 * Returns a JSON patch that adds our taint to a node or removes it, and fails if the node is another one or its taints are
 * not those observed. Undefined if there is nothing to do.
 */
export function taintPatch(node: GateNode, change: "add" | "remove", ours: Ours) {
  const { uid, resourceVersion } = node.metadata;
  const sameNode: JsonPatchOperation = { op: "test", path: "/metadata/uid", value: uid };
  const path = "/spec/taints";
  if (change === "add") {
    if (hasOurs(node, ours)) return undefined;
    const taint = ours.value === "" ? { key: ours.key, effect: ours.effect } : ours;
    // A missing list cannot be tested; then the node as a whole must be the one observed.
    const [unchanged, op]: [JsonPatchOperation, "add" | "replace"] =
      node.taints.length === 0
        ? [{ op: "test", path: "/metadata/resourceVersion", value: resourceVersion }, "add"]
        : [{ op: "test", path, value: node.taints }, "replace"];
    return [sameNode, unchanged, { op, path, value: [...node.taints, taint] }] as const;
  }
  const rest = node.taints.filter((taint) => !isOurs(taint, ours));
  if (rest.length === node.taints.length) return undefined;
  const unchanged: JsonPatchOperation = { op: "test", path, value: node.taints };
  const removed: JsonPatchOperation =
    rest.length === 0 ? { op: "remove", path } : { op: "replace", path, value: rest };
  return [sameNode, unchanged, removed] as const;
}
