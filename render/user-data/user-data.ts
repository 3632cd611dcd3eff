/** The user data of a node, from its settings. Pure text: the same settings are the same bytes. */
import { toYaml } from "../yaml/yaml";
import {
  ENABLED_LABEL,
  type KubeletConfig,
  type KubernetesTaint,
  NODE_CONFIG_API_VERSION,
  type NodeConfig,
  type NodeConfigSpec,
  type NodeSettings,
  RESTORE_TOML,
  RUNTIME_REQUEST_TIMEOUT,
  type Taint,
  engineOf,
  instanceFacts,
  renderRuntimeHandler,
  runtimeHandlerOf,
  runtimeOf,
  startupTaintOf,
  toKubeletTaint,
  toTaintText,
} from "../../config/nodes";
import { InvalidInputError } from "../../config/schema";
import { type MimePart, NODE_CONFIG_TYPE, SHELL_TYPE, writeMime } from "./mime";

/**
 * Who puts what a node needs to join into its user data.
 * - `managed`: a managed group without a custom AMI. EKS appends a NodeConfig with the cluster and the labels.
 * - `custom-ami`: a managed group with a custom AMI. EKS adds nothing.
 * - `karpenter`: Karpenter appends a NodeConfig with the cluster, labels and taints, and its registerWithTaints wins.
 */
export type Bootstrap =
  | { readonly mode: "managed" }
  | { readonly mode: "custom-ami"; readonly cluster: NonNullable<NodeConfigSpec["cluster"]> }
  | { readonly mode: "karpenter" };

/**
 * Fields of KubeletConfiguration that an EC2NodeClass takes itself, in Karpenter up to 1.14. Karpenter sizes nodes by them,
 * so they belong there; all others reach the kubelet by the user data.
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

/** EC2 takes 16 KiB of user data; EKS and Karpenter append a NodeConfig with the cluster's certificate and labels. */
export const USER_DATA_MAX_BYTES = 16_384 - 4096;

/** Labels of the nodes: the user's, and the one that node agents look for. */
export function nodeLabels({
  labels,
  checkpointing,
}: Pick<NodeSettings, "labels" | "checkpointing">): Record<string, string> {
  return { ...labels, ...(checkpointing ? { [ENABLED_LABEL.key]: ENABLED_LABEL.value } : {}) };
}

/** What a checkpointing node needs of its kubelet. The user's own settings go before it. */
function kubeletDefaults({ checkpointing, kubelet }: NodeSettings): Record<string, unknown> {
  if (!checkpointing) return {};
  const own = kubelet.config ?? {};
  // The AMI sets these two from Kubernetes 1.34 on; stated here, a node of any minor lets its pods end in peace.
  const shutdown =
    own.shutdownGracePeriod === undefined && own.shutdownGracePeriodByPodPriority === undefined
      ? { shutdownGracePeriod: "2m30s", shutdownGracePeriodCriticalPods: "30s" }
      : {};
  return { runtimeRequestTimeout: RUNTIME_REQUEST_TIMEOUT, ...shutdown };
}

/** The toolkit's NodeConfig of the node, or undefined where there is nothing to say. */
export function renderNodeConfig(settings: NodeSettings, bootstrap: Bootstrap): NodeConfig | undefined {
  const { kubelet, containerd, instance, featureGates } = settings;
  const taints = registeredTaints(settings, bootstrap);
  const config = {
    ...kubeletDefaults(settings),
    ...withoutOthersFields(kubelet.config ?? {}, bootstrap),
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

/** Without the fields that reach the kubelet in another way: by the EC2NodeClass, or by a flag. */
function withoutOthersFields(config: KubeletConfig, { mode }: Bootstrap): KubeletConfig {
  const fields: Record<Bootstrap["mode"], readonly string[]> = {
    managed: ["maxPods"],
    "custom-ami": [],
    karpenter: KARPENTER_KUBELET_FIELDS,
  };
  return Object.fromEntries(Object.entries(config).filter(([name]) => !fields[mode].includes(name)));
}

/** The NodeConfig that EKS appends sets maxPods, and the last one wins; a flag beats them all. */
function maxPodsFlag({ kubelet }: NodeSettings, { mode }: Bootstrap): string[] {
  const maxPods = kubelet.config?.maxPods;
  return mode === "managed" && maxPods !== undefined ? [`--max-pods=${maxPods}`] : [];
}

/**
 * All taints go through the kubelet, none through the EKS API. One set of taints must come from one place: EKS passes
 * its own by a kubelet flag, which replaces the field; and a taint added to a live group by the API hits the pods that
 * run there. Karpenter replaces the field with the NodePool's taints, so there they stand in the NodePool.
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

/** The table of the runtime comes before those within it. */
function containerdToml(settings: NodeSettings): string | undefined {
  const handler = runtimeHandlerOf(settings);
  const tables = [
    ...(settings.checkpointing && engineOf(settings) === "kubelet" ? [RESTORE_TOML] : []),
    ...(handler ? [renderRuntimeHandler(handler, runtimeOf(instanceFacts(settings).accelerator))] : []),
  ];
  return tables.length === 0 ? undefined : tables.join("\n");
}

/**
 * The user's own TOML is a NodeConfig of its own: nodeadm merges the two deeply, where one text after the other would
 * put the user's first keys into the handler's last table. nodeadm takes TOML that does not name a plugin of schema 3
 * for schema 2, and would then rewrite the whole file; the comment names one.
 */
function userTomlConfig(settings: NodeSettings): NodeConfig | undefined {
  const toml = settings.containerd.config;
  if (toml === undefined) return undefined;
  const config = toml.includes("io.containerd.cri.v1.")
    ? toml
    : `# io.containerd.cri.v1.runtime: schema 3\n${toml}`;
  return { apiVersion: NODE_CONFIG_API_VERSION, kind: "NodeConfig", spec: { containerd: { config } } };
}

/**
 * The whole user data, or undefined where EKS or Karpenter need no help.
 * @throws InvalidInputError if it is larger than EC2 takes.
 */
export function renderUserData(
  settings: NodeSettings & { readonly postNodeadm?: readonly string[] },
  bootstrap: Bootstrap,
): string | undefined {
  const parts = userDataParts(settings, bootstrap);
  if (parts.length === 0) return undefined;
  const text = writeMime(parts);
  const bytes = Buffer.byteLength(text);
  if (bytes <= USER_DATA_MAX_BYTES) return text;
  throw new InvalidInputError("user data", [
    {
      code: "user-data-too-large",
      path: ["preNodeadm"],
      message: "makes the user data larger than EC2 takes",
      given: `${bytes} bytes in all`,
      allowed: `up to ${USER_DATA_MAX_BYTES} bytes, with room for what EKS or Karpenter add`,
      remedy: "put long scripts into the image",
    },
  ]);
}

/** The parts of the user data, in their order. */
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
    ...settings.preNodeadm.map(shell),
    ...configs.map((config) => ({ contentType: NODE_CONFIG_TYPE, content: toYaml(config) })),
    ...(settings.postNodeadm ?? []).map(shell),
  ];
}

/** A script that sets the kernel settings now and after every start. */
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

/** The same mapping written in another order is the same bytes: changed bytes would replace all nodes. */
function inKeyOrder<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => inKeyOrder(item)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as Record<string, unknown>).toSorted(([a], [b]) => compare(a, b));
  return Object.fromEntries(entries.map(([key, item]) => [key, inKeyOrder(item)])) as T;
}

function byText(a: Taint, b: Taint): number {
  return compare(toTaintText(a), toTaintText(b));
}

/** By code units, so that no machine's language decides. */
function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function filled<T extends Record<string, unknown>>(value: T): T | undefined {
  return Object.values(value).some((item) => item !== undefined) ? value : undefined;
}
