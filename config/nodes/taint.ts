import * as v from "../schema/valibot";
import { described, labelKey, labelValue, oneOf, shape } from "../schema";

/** Describes a taint, with the names of the Kubernetes API. */
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
 * Default startup taint. The kubelet registers the node with it, so that no pod is scheduled before the agents are Ready.
 * The owner of the readiness gate removes it.
 */
export const STARTUP_TAINT_DEFAULT = {
  key: "cedana.ai/not-ready",
  value: "true",
  effect: "NoSchedule",
} as const satisfies Taint;

/** Describes the startup taint: a custom key, value or effect, or `false` for no taint. */
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

/** A taint of this toolkit, or of a Node object. */
interface AnyTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** Formats a taint as `key=value:Effect`, the syntax of kubectl and of the kubelet's command line. */
export function toTaintText({ key, value = "", effect }: AnyTaint): string {
  return value === "" ? `${key}:${effect}` : `${key}=${value}:${effect}`;
}

/** A taint in KubeletConfiguration `registerWithTaints`, Node `spec.taints` and the `taints` of a Karpenter NodePool. */
export interface KubernetesTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: Taint["effect"];
}

/** Returns a taint for `registerWithTaints` of KubeletConfiguration. Omits an empty value, as the API server does. */
export function toKubeletTaint({ key, value, effect }: Taint): KubernetesTaint {
  return value === "" ? { key, effect } : { key, value, effect };
}

/** Returns a taint for `startupTaints` and `taints` of a Karpenter NodePool. */
export const toKarpenterTaint: (taint: Taint) => KubernetesTaint = toKubeletTaint;

const EKS_EFFECTS = {
  NoSchedule: "NO_SCHEDULE",
  PreferNoSchedule: "PREFER_NO_SCHEDULE",
  NoExecute: "NO_EXECUTE",
} as const;

/** Returns a taint for `taints` of the EKS node group API, which has its own names of effects. */
export function toEksTaint({ key, value, effect }: Taint): {
  readonly key: string;
  readonly value: string;
  readonly effect: (typeof EKS_EFFECTS)[Taint["effect"]];
} {
  return { key, value, effect: EKS_EFFECTS[effect] };
}

/**
 * Returns the tag of an Auto Scaling group that declares a taint of its nodes. cluster-autoscaler reads it while the group
 * is empty (autoscaler, cloudprovider/aws: `k8s.io/cluster-autoscaler/node-template/taint/<key>` = `<value>:<effect>`).
 */
export function toAutoscalerTag({ key, value, effect }: Taint): {
  readonly key: string;
  readonly value: string;
} {
  return { key: `k8s.io/cluster-autoscaler/node-template/taint/${key}`, value: `${value}:${effect}` };
}

/**
 * Returns the argument that declares the taint as temporary to cluster-autoscaler. Without it, cluster-autoscaler would add
 * nodes without limit.
 */
export function toAutoscalerArgument({ key }: Taint): string {
  return `--startup-taint=${key}`;
}

/** Returns a toleration for pods that must run on gated nodes. */
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

/** Returns whether the toleration matches the taint, by the rules of the scheduler. */
export function tolerates({ effect, key, operator, value }: Toleration, taint: AnyTaint): boolean {
  if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
  if (operator === "Exists") return key === undefined || key === "" || key === taint.key;
  return key === taint.key && (value ?? "") === (taint.value ?? "");
}
