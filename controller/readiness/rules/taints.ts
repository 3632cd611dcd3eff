import type { GateNode } from "./objects";
import { KARPENTER_UNREGISTERED, type GateSettings, type Taint } from "./settings";

type Ours = GateSettings["taint"];

/** Whether a taint is ours: by key and effect, as Kubernetes tells taints apart. Its value may be any. */
export function isOurs(taint: Taint, ours: Ours): boolean {
  return taint.key === ours.key && taint.effect === ours.effect;
}

export function hasOurs({ taints }: Pick<GateNode, "taints">, ours: Ours): boolean {
  return taints.some((taint) => isOurs(taint, ours));
}

/** Whether Karpenter has yet to give the node its labels. */
export function isUnregistered({ taints }: Pick<GateNode, "taints">): boolean {
  return taints.some(({ key }) => key === KARPENTER_UNREGISTERED);
}

export interface JsonPatchOperation {
  readonly op: "add" | "remove" | "replace" | "test";
  readonly path: string;
  readonly value?: unknown;
}

/**
 * A JSON Patch that adds our taint to a node or takes it away, and fails if the node is another one or if its taints are
 * not those observed. Undefined if there is nothing to do.
 */
export function taintPatch(node: GateNode, change: "add" | "remove", ours: Ours) {
  const { uid, resourceVersion } = node.metadata;
  const sameNode: JsonPatchOperation = { op: "test", path: "/metadata/uid", value: uid };
  const path = "/spec/taints";
  if (change === "add") {
    if (hasOurs(node, ours)) return undefined;
    const taint = ours.value === "" ? { key: ours.key, effect: ours.effect } : ours;
    // A missing list cannot be tested for; then the node as a whole must be the one observed.
    const [unchanged, op]: [JsonPatchOperation, "add" | "replace"] =
      node.taints.length === 0
        ? [{ op: "test", path: "/metadata/resourceVersion", value: resourceVersion }, "add"]
        : [{ op: "test", path, value: node.taints }, "replace"];
    return [sameNode, unchanged, { op, path, value: [...node.taints, taint] }] as const;
  }
  const rest = node.taints.filter((taint) => !isOurs(taint, ours));
  if (rest.length === node.taints.length) return undefined;
  const unchanged: JsonPatchOperation = { op: "test", path, value: node.taints };
  const gone: JsonPatchOperation =
    rest.length === 0 ? { op: "remove", path } : { op: "replace", path, value: rest };
  return [sameNode, unchanged, gone] as const;
}
