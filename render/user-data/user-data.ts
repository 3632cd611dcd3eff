/** Renders the user data of a node from its settings. The same settings give the same bytes. */
import { toYaml } from "../yaml";
import {
  ENABLED_LABEL,
  type KubeletConfig,
  type KubernetesTaint,
  NODE_CONFIG_API_VERSION,
  type NodeConfig,
  type NodeConfigSpec,
  type NodeSettings,
  RUNTIME_REQUEST_TIMEOUT,
  SHUTDOWN,
  type Taint,
  instanceFacts,
  restoresByPlan,
  runtimeHandlerOf,
  runtimeOf,
  startupTaintOf,
  toKubeletTaint,
  toTaintText,
} from "../../config/nodes";
import { renderRuntimeHandler } from "../containerd";
import { renderNodeService } from "./node-service";
import { type MimePart, NODE_CONFIG_TYPE, SHELL_TYPE } from "./mime";

/**
 * Which program adds the join data to the user data.
 * - `managed`: a managed group without a custom AMI. EKS appends a NodeConfig with the cluster and the labels.
 * - `custom-ami`: a managed group with a custom AMI. EKS adds nothing.
 * - `karpenter`: Karpenter appends a NodeConfig with the cluster, labels and taints, and its registerWithTaints wins.
 */
export type Bootstrap =
  | { readonly mode: "managed" }
  | { readonly mode: "custom-ami"; readonly cluster: NonNullable<NodeConfigSpec["cluster"]> }
  | { readonly mode: "karpenter" };

/**
 * Fields of KubeletConfiguration that an EC2NodeClass has, in Karpenter up to 1.14. Karpenter sizes nodes by them, so they
 * are set there. The user data sets all other fields.
 */
export const KARPENTER_KUBELET_FIELDS = [
  "maxPods",
  "podsPerCore",
  "systemReserved",
  "kubeReserved",
  "evictionHard",
  "evictionSoft",
  "evictionSoftGracePeriod",
  "evictionMaxPodGracePeriod",
  "imageGCHighThresholdPercent",
  "imageGCLowThresholdPercent",
  "cpuCFSQuota",
] as const satisfies readonly (keyof KubeletConfig)[];

/** Returns the labels of the nodes: the user's, and the one that selects nodes for the agent. */
export function nodeLabels({
  labels,
  checkpointing,
}: Pick<NodeSettings, "labels" | "checkpointing">): Record<string, string> {
  return { ...labels, ...(checkpointing ? { [ENABLED_LABEL.key]: ENABLED_LABEL.value } : {}) };
}

/** Returns kubelet settings that checkpoints need. The user's settings override them. */
function kubeletDefaults({ checkpointing, kubelet }: NodeSettings): Record<string, unknown> {
  if (!checkpointing) return {};
  const own = kubelet.config ?? {};
  const shutdown =
    own.shutdownGracePeriod === undefined && own.shutdownGracePeriodByPodPriority === undefined
      ? SHUTDOWN
      : {};
  return { runtimeRequestTimeout: RUNTIME_REQUEST_TIMEOUT, ...shutdown };
}

/** Returns the toolkit's NodeConfig of the node, or undefined if it would be empty. */
export function renderNodeConfig(settings: NodeSettings, bootstrap: Bootstrap): NodeConfig | undefined {
  const { kubelet, containerd, instance, featureGates } = settings;
  const taints = registeredTaints(settings, bootstrap);
  const config = {
    ...kubeletDefaults(settings),
    ...withoutManagedFields(kubelet.config ?? {}, bootstrap),
    ...(taints.length > 0 ? { registerWithTaints: taints } : {}),
  };
  const flags = [
    ...labelFlags(settings, bootstrap),
    ...maxPodsFlag(settings, bootstrap),
    ...(kubelet.flags ?? []),
  ];
  const toml = containerdToml(settings);
  const spec = {
    cluster: bootstrap.mode === "custom-ami" ? bootstrap.cluster : undefined,
    kubelet: filled({
      config: filled(inKeyOrder(config)),
      flags: flags.length > 0 ? flags : undefined,
      maxPodsExpression: kubelet.maxPodsExpression,
    }),
    containerd: filled({ config: toml, baseRuntimeSpec: inKeyOrder(containerd.baseRuntimeSpec) }),
    instance: filled(inKeyOrder({ ...instance })),
    featureGates: filled(inKeyOrder({ ...featureGates })),
  };
  if (filled(spec) === undefined) return undefined;
  return { apiVersion: NODE_CONFIG_API_VERSION, kind: "NodeConfig", spec };
}

/** Returns the config without fields that the EC2NodeClass or a flag sets. */
function withoutManagedFields(config: KubeletConfig, { mode }: Bootstrap): KubeletConfig {
  const fields: Record<Bootstrap["mode"], readonly string[]> = {
    managed: ["maxPods"],
    "custom-ami": [],
    karpenter: KARPENTER_KUBELET_FIELDS,
  };
  return Object.fromEntries(Object.entries(config).filter(([name]) => !fields[mode].includes(name)));
}

/** Returns maxPods as a flag: the NodeConfig that EKS appends sets maxPods too and would win, but a flag overrides both. */
function maxPodsFlag({ kubelet }: NodeSettings, { mode }: Bootstrap): string[] {
  const maxPods = kubelet.config?.maxPods;
  return mode === "managed" && maxPods !== undefined ? [`--max-pods=${maxPods}`] : [];
}

/**
 * Returns the taints that the kubelet registers. All taints are set here, none through the EKS API: EKS passes its taints by a
 * kubelet flag, which replaces the field, and a taint added to a live group by the API evicts the pods that run there.
 * Karpenter replaces the field with the NodePool's taints, so with Karpenter they are in the NodePool.
 */
function registeredTaints(settings: NodeSettings, { mode }: Bootstrap): KubernetesTaint[] {
  if (mode === "karpenter") return [];
  const startup = startupTaintOf(settings);
  return [...settings.taints.toSorted(byText), ...(startup ? [startup] : [])].map(toKubeletTaint);
}

function labelFlags(settings: NodeSettings, { mode }: Bootstrap): string[] {
  const labels = Object.entries(inKeyOrder(nodeLabels(settings)));
  if (mode !== "custom-ami" || labels.length === 0) return [];
  return [`--node-labels=${labels.map(([key, value]) => `${key}=${value}`).join(",")}`];
}

/** Returns the containerd configuration. */
function containerdToml(settings: NodeSettings): string | undefined {
  const handler = runtimeHandlerOf(settings);
  return handler && renderRuntimeHandler(handler, runtimeOf(instanceFacts(settings).accelerator));
}

/**
 * Returns the user's TOML as a separate NodeConfig: nodeadm merges the two deeply, whereas concatenated text would put the
 * user's first keys into the handler's last table. nodeadm reads TOML that names no plugin of schema 3 as schema 2 and would
 * rewrite the whole file; the comment names one.
 */
function userTomlConfig(settings: NodeSettings): NodeConfig | undefined {
  const toml = settings.containerd.config;
  if (toml === undefined) return undefined;
  const config = toml.includes("io.containerd.cri.v1.")
    ? toml
    : `# io.containerd.cri.v1.runtime: schema 3\n${toml}`;
  return { apiVersion: NODE_CONFIG_API_VERSION, kind: "NodeConfig", spec: { containerd: { config } } };
}

/** Returns the parts of the user data, in order. */
export function userDataParts(
  settings: NodeSettings & { readonly postNodeadm?: readonly string[] },
  bootstrap: Bootstrap,
): MimePart[] {
  const shell = (content: string): MimePart => ({ contentType: SHELL_TYPE, content });
  const configs = [renderNodeConfig(settings, bootstrap), userTomlConfig(settings)].filter(
    (config) => config !== undefined,
  );
  const sysctls = renderSysctls(settings.sysctls);
  return [
    ...(sysctls === undefined ? [] : [shell(sysctls)]),
    ...(restoresByPlan(settings)
      ? [shell(renderNodeService(runtimeOf(instanceFacts(settings).accelerator)))]
      : []),
    ...settings.preNodeadm.map(shell),
    ...configs.map((config) => ({ contentType: NODE_CONFIG_TYPE, content: toYaml(config) })),
    ...(settings.postNodeadm ?? []).map(shell),
  ];
}

/** Returns a script that applies kernel settings now and at every boot. */
function renderSysctls(sysctls: Readonly<Record<string, string>>): string | undefined {
  const lines = Object.entries(inKeyOrder(sysctls)).map(([name, value]) => `${name} = ${value}`);
  if (lines.length === 0) return undefined;
  const file = "/etc/sysctl.d/90-cedana.conf";
  return [
    "#!/bin/bash",
    "set -euo pipefail",
    `cat >${file} <<'END'`,
    ...lines,
    "END",
    `sysctl --load=${file}`,
    "",
  ].join("\n");
}

/** Sorts keys, so that their order in the input does not change the bytes: changed bytes replace all nodes. */
function inKeyOrder<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => inKeyOrder(item)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as Record<string, unknown>).toSorted(([a], [b]) => compare(a, b));
  return Object.fromEntries(entries.map(([key, item]) => [key, inKeyOrder(item)])) as T;
}

function byText(a: Taint, b: Taint): number {
  return compare(toTaintText(a), toTaintText(b));
}

/** Compares by code units, independent of the locale. */
function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function filled<T extends Record<string, unknown>>(value: T): T | undefined {
  return Object.values(value).some((item) => item !== undefined) ? value : undefined;
}
