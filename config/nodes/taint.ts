import * as v from "../schema/valibot";
import { described, labelKey, labelValue, oneOf, shape } from "../schema";

/** A taint, with the names of the Kubernetes API. */
export const taintSchema = shape({
  key: described(labelKey, "Key of the taint, with an optional DNS prefix."),
  value: described(v.optional(labelValue, ""), "Value of the taint. May be empty."),
  effect: described(
    v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    "Effect on pods that do not tolerate the taint.",
  ),
});

export type Taint = Readonly<v.InferOutput<typeof taintSchema>>;

/**
 * The taint of a node that cannot checkpoint yet. The kubelet registers the node with it, so that no pod slips in first;
 * the owner of the readiness gate removes it.
 */
export const STARTUP_TAINT_DEFAULT = {
  key: "cedana.ai/not-ready",
  value: "true",
  effect: "NoSchedule",
} as const satisfies Taint;

/** Input for a startup taint: another key, value or effect, or `false` for none. */
export const startupTaintSchema = oneOf([
  v.literal(false),
  shape({
    key: described(v.optional(labelKey, STARTUP_TAINT_DEFAULT.key), "Key of the taint."),
    value: described(v.optional(labelValue, STARTUP_TAINT_DEFAULT.value), "Value of the taint."),
    effect: described(
      v.optional(v.picklist(["NoSchedule", "NoExecute"]), STARTUP_TAINT_DEFAULT.effect),
      "Effect of the taint. NoSchedule keeps pods away. NoExecute also evicts those that already run.",
    ),
  }),
]);

/** Spelling of the kubelet's command line and of kubectl: `key=value:Effect`. */
export function toTaintText({ key, value, effect }: Taint): string {
  return value === "" ? `${key}:${effect}` : `${key}=${value}:${effect}`;
}

/** Spelling of KubeletConfiguration `registerWithTaints`, of Node `spec.taints` and of Karpenter's `taints` and `startupTaints`. */
export interface KubernetesTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: Taint["effect"];
}

/** For KubeletConfiguration `registerWithTaints`. An empty value is left out, as the API server stores it. */
export function toKubeletTaint({ key, value, effect }: Taint): KubernetesTaint {
  return value === "" ? { key, effect } : { key, value, effect };
}

/** For `startupTaints` and `taints` of a Karpenter NodePool. */
export const toKarpenterTaint: (taint: Taint) => KubernetesTaint = toKubeletTaint;

const EKS_EFFECTS = {
  NoSchedule: "NO_SCHEDULE",
  PreferNoSchedule: "PREFER_NO_SCHEDULE",
  NoExecute: "NO_EXECUTE",
} as const;

/** For the `taints` of the EKS node-group API, which spells effects in its own way. */
export function toEksTaint({ key, value, effect }: Taint): {
  readonly key: string;
  readonly value: string;
  readonly effect: (typeof EKS_EFFECTS)[Taint["effect"]];
} {
  return { key, value, effect: EKS_EFFECTS[effect] };
}

/**
 * Tag of an Auto Scaling group from which cluster-autoscaler learns, while the group is empty, what taint its nodes
 * will have (autoscaler, cloudprovider/aws: `k8s.io/cluster-autoscaler/node-template/taint/<key>` = `<value>:<effect>`).
 */
export function toAutoscalerTag({ key, value, effect }: Taint): {
  readonly key: string;
  readonly value: string;
} {
  return { key: `k8s.io/cluster-autoscaler/node-template/taint/${key}`, value: `${value}:${effect}` };
}

/** Argument that tells cluster-autoscaler that the taint goes away by itself. Without it, it starts nodes without end. */
export function toAutoscalerArgument({ key }: Taint): string {
  return `--startup-taint=${key}`;
}

/** Toleration for pods that must run before the node is ready. */
export function toToleration({ key, value, effect }: Taint): {
  readonly key: string;
  readonly operator: "Equal" | "Exists";
  readonly value?: string;
  readonly effect: Taint["effect"];
} {
  return value === "" ? { key, operator: "Exists", effect } : { key, operator: "Equal", value, effect };
}

interface Toleration {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
}

/** Whether pods with the toleration may come to nodes with the taint, as the scheduler reads both. */
export function tolerates({ effect, key, operator, value }: Toleration, taint: Taint): boolean {
  if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
  if (operator === "Exists") return key === undefined || key === "" || key === taint.key;
  return key === taint.key && (value ?? "") === taint.value;
}
