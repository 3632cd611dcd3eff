import { DEFAULT_ENGINE, type EngineCapabilities, type ResolvedEngine } from "../engines";
import { poolsWithEngine, withEngine, type Platform, type ValidAreas } from "./schema";
import { gateOwner, gateTaint, type ResolvedInstall } from "../install";
import {
  ENABLED_LABEL,
  runtimeHandlerOf,
  startupTaintOf,
  tolerates,
  toTaintText,
  type Taint,
} from "../nodes";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { resolveAddons } from "../cluster";

/** Returns the platform with its engine set on all nodes that do not set one. */
export function withNodeEngines(platform: Platform): Platform {
  const { engine, karpenter, nodeGroups } = platform;
  const kind = engine?.kind ?? DEFAULT_ENGINE;
  return {
    ...platform,
    nodeGroups: nodeGroups.map((group) => withEngine(group, kind)),
    ...(karpenter && { karpenter: poolsWithEngine(karpenter, kind) }),
  };
}

type Nodes = Pick<
  Platform["nodeGroups"][number],
  "checkpointing" | "engine" | "labels" | "runtimeHandler" | "startupTaint"
>;

/** Returns every node group and node pool of the platform with its path in the input. */
export function nodesOf({ nodeGroups, karpenter }: ValidAreas): (readonly [Problem["path"], Nodes])[] {
  const pools = karpenter?.nodePools ?? [];
  return [
    ...[...nodeGroups].map(([index, group]) => [["nodeGroups", index], group] as const),
    ...pools.map((pool, index) => [["karpenter", "nodePools", index], pool] as const),
  ];
}

/** Checks that install.nodeSelector matches all nodes with checkpointing. Without an agent a node never becomes ready. */
export function checkNodesGetAgent(areas: ValidAreas, install: ResolvedInstall): Problem[] {
  return nodesOf(areas).flatMap(([path, nodes]) => checkSelector(path, nodes, install));
}

/** Checks that each node has the handler of the RuntimeClass, whose pods can be scheduled to every node with an agent. */
export function checkHandlers(
  areas: ValidAreas,
  { runtimeClassHandler: handler }: EngineCapabilities,
): Problem[] {
  if (handler === undefined) return [];
  return nodesOf(areas).flatMap(([path, nodes]) => {
    const name = runtimeHandlerOf(nodes)?.name;
    if (!nodes.checkpointing || name === handler) return [];
    return [
      {
        code: "runtime-handler-mismatch",
        path: [...path, "runtimeHandler"],
        message: "is not the handler of the engine's RuntimeClass; its pods would not start",
        given: name === undefined ? "false" : printable(name),
        allowed: `{ name: ${handler} }`,
        remedy: "use the handler of the RuntimeClass, or set checkpointing: false",
      },
    ];
  });
}

/** Checks that nodes are configured for the engine of the platform. Others never become ready or cannot restore. */
export function checkEngines(areas: ValidAreas, { kind }: Pick<ResolvedEngine, "kind">): Problem[] {
  return nodesOf(areas).flatMap(([path, { checkpointing, engine }]) =>
    !checkpointing || engine === kind
      ? []
      : [
          {
            code: "engine-mismatch",
            path: [...path, "engine"],
            message: "is not the engine of the platform",
            given: engine,
            allowed: kind,
            remedy: "remove it, or set checkpointing: false",
          },
        ],
  );
}

function checkSelector(
  path: Problem["path"],
  { checkpointing, labels }: Nodes,
  { nodeSelector }: ResolvedInstall,
): Problem[] {
  if (!checkpointing) return [];
  const all: Readonly<Record<string, string>> = { [ENABLED_LABEL.key]: ENABLED_LABEL.value, ...labels };
  const missing = Object.entries(nodeSelector).filter(
    ([key, value]) => all[key] !== value && !isToken(all[key]) && !SET_BY_KUBERNETES.test(key),
  );
  if (missing.length === 0) return [];
  const required = Object.fromEntries(missing);
  return [
    {
      code: "node-without-agent",
      path: [...path, "labels"],
      message: "does not match install.nodeSelector: no agent would run on these nodes",
      given: printable(labels),
      allowed: printable(required),
      remedy: "add the labels, or set checkpointing: false",
    },
  ];
}

/** Labels that the kubelet, EKS or Karpenter set on every node. */
const SET_BY_KUBERNETES = /(^|\.)(kubernetes\.io|k8s\.io|eks\.amazonaws\.com|karpenter\.sh|k8s\.aws)\//;

/** Checks that nodes start with the taint that the gate owner removes, and that CoreDNS tolerates it. */
export function checkStartupTaints(
  areas: ValidAreas,
  install: ResolvedInstall,
  { manager }: EngineCapabilities,
): Problem[] {
  if (gateOwner(install) === "manager" && !manager?.removesTaint) return [];
  const gate = gateTaint(install);
  return [...checkNodes(areas, gate), ...checkDns(areas, gate)];
}

function checkNodes(areas: ValidAreas, gate: Taint): Problem[] {
  return nodesOf(areas).flatMap(([path, nodes]) => {
    const taint = startupTaintOf(nodes);
    if (!nodes.checkpointing || taint === undefined) return [];
    if (taint.key === gate.key && taint.effect === gate.effect) return [];
    const { key, value, effect } = gate;
    return [
      {
        code: "startup-taint-mismatch",
        path: [...path, "startupTaint"],
        message: "is not the taint of install.readinessGate and would never be removed",
        given: toTaintText(taint),
        allowed: toTaintText(gate),
        remedy: `set startupTaint: { key: ${key}, value: ${JSON.stringify(value)}, effect: ${effect} }`,
      },
    ];
  });
}

/** Checks that CoreDNS tolerates the startup taint if all nodes have it: the agents need DNS to become Ready. */
function checkDns(areas: ValidAreas, gate: Taint): Problem[] {
  const nodes = nodesOf(areas);
  if (!areas.cluster || nodes.length === 0 || nodes.some(([, one]) => !startupTaintOf(one))) return [];
  const addon = resolveAddons(areas.cluster.addons).find(({ name }) => name === "coredns");
  const { tolerations } = addon?.configuration ?? {};
  if (!Array.isArray(tolerations) || tolerations.some((one) => tolerates(one as object, gate))) return [];
  const missing = { key: gate.key, operator: "Exists", effect: gate.effect };
  return [
    {
      code: "startup-taint-not-tolerated",
      path: ["cluster", "addons", "coredns"],
      message: "does not tolerate the startup taint that every node has",
      allowed: `a toleration of ${toTaintText(gate)}`,
      remedy: `set configuration: { tolerations: ${JSON.stringify([...DEFAULT_TOLERATIONS, missing])} }`,
    },
  ];
}

/** Default tolerations of the add-on. A configured list replaces them. */
const DEFAULT_TOLERATIONS = [
  { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
  { key: "CriticalAddonsOnly", operator: "Exists" },
];
