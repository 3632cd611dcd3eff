import type { EngineCapabilities, ResolvedEngine } from "../engines";
import type { ResolvedInstall } from "../install";
import { ENABLED_LABEL, runtimeHandlerOf } from "../nodes";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/token";
import type { ValidAreas } from "./areas";
import type { Platform } from "./schema";

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

/** Checks that the install selects every gated node; without agents a node never becomes ready. */
export function checkNodesGetAgent(areas: ValidAreas, install: ResolvedInstall): Problem[] {
  return nodesOf(areas).flatMap(([path, nodes]) => unreached(path, nodes, install));
}

/** Checks that each node has the RuntimeClass's handler: its pods can be scheduled to every node with an agent. */
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
        message: "is not the handler of engine.runtimeClass; its pods would not start",
        given: name === undefined ? "false" : printable(name),
        allowed: `{ name: ${handler} }`,
        remedy: "give both the same name, or set engine.runtimeClass: false",
      },
    ];
  });
}

/** Checks that nodes are made for the installed engine. Others would never become ready or never restore. */
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
            remedy: "leave it out, or set checkpointing: false",
          },
        ],
  );
}

function unreached(
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
  const wanted = Object.fromEntries(missing);
  return [
    {
      code: "node-without-agent",
      path: [...path, "labels"],
      message: "does not match install.nodeSelector; the nodes would never get an agent",
      given: printable(labels),
      allowed: printable(wanted),
      remedy: "add the labels, or set checkpointing: false",
    },
  ];
}

/** Labels that the kubelet, EKS or Karpenter set on every node. */
const SET_BY_KUBERNETES = /(^|\.)(kubernetes\.io|k8s\.io|eks\.amazonaws\.com|karpenter\.sh|k8s\.aws)\//;
