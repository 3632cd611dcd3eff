import type { ResolvedEngine } from "../engines";
import type { ResolvedInstall } from "../install";
import { ENABLED_LABEL, runtimeHandlerOf } from "../nodes";
import type { Problem } from "../schema/problem";
import { printable } from "../schema/problem";
import type { RightAreas } from "./areas";
import type { Platform } from "./schema";

type Nodes = Pick<
  Platform["nodeGroups"][number],
  "checkpointing" | "engine" | "labels" | "runtimeHandler" | "startupTaint"
>;

/** Every kind of node that the platform makes, with its place in the file. */
export function nodesOf({ nodeGroups, karpenter }: RightAreas): (readonly [Problem["path"], Nodes])[] {
  const pools = karpenter?.nodePools ?? [];
  return [
    ...[...nodeGroups].map(([index, group]) => [["nodeGroups", index], group] as const),
    ...pools.map((pool, index) => [["karpenter", "nodePools", index], pool] as const),
  ];
}

/** Nodes that wait behind the startup taint for an agent must be chosen by the install, or they wait for ever. */
export function checkNodesGetAgent(areas: RightAreas, install: ResolvedInstall): Problem[] {
  return nodesOf(areas).flatMap(([path, nodes]) => unreached(path, nodes, install));
}

/** Pods of the RuntimeClass are sent to all nodes that the agent is on: each must know its handler. */
export function checkHandlers(areas: RightAreas, { runtimeClass }: ResolvedInstall): Problem[] {
  if (runtimeClass === false || areas.engine?.kind === "kubelet") return [];
  return nodesOf(areas).flatMap(([path, nodes]) => {
    const name = runtimeHandlerOf(nodes)?.name;
    if (!nodes.checkpointing || name === runtimeClass.handler) return [];
    return [
      {
        code: "unknown-handler",
        path: [...path, "runtimeHandler"],
        message: "is not the handler of install.runtimeClass: its pods would come here and never start",
        given: name === undefined ? "false" : printable(name),
        allowed: `{ name: ${runtimeClass.handler} }`,
        remedy: "give both the same name, or set install.runtimeClass: false",
      },
    ];
  });
}

/** Checks that nodes are made for the engine that is installed: others never become ready, or never restore. */
export function checkEngines(areas: RightAreas, { kind }: Pick<ResolvedEngine, "kind">): Problem[] {
  return nodesOf(areas).flatMap(([path, { checkpointing, engine }]) =>
    !checkpointing || engine === kind
      ? []
      : [
          {
            code: "other-engine",
            path: [...path, "engine"],
            message: "is not the engine of the file",
            ...(engine && { given: engine }),
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
  const lacking = Object.entries(nodeSelector).filter(
    ([key, value]) => all[key] !== value && !WRITTEN_BY_OTHERS.test(key),
  );
  if (lacking.length === 0) return [];
  const wanted = Object.fromEntries(lacking);
  return [
    {
      code: "no-agent",
      path: [...path, "labels"],
      message: "does not have what install.nodeSelector asks for: the nodes would wait for an agent for ever",
      given: printable(labels),
      allowed: printable(wanted),
      remedy: "add the labels, or set checkpointing: false",
    },
  ];
}

/** Labels that the kubelet, EKS or Karpenter give every node by themselves. */
const WRITTEN_BY_OTHERS = /(^|\.)(kubernetes\.io|k8s\.io|eks\.amazonaws\.com|karpenter\.sh|k8s\.aws)\//;
