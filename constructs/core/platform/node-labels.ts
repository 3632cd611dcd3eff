import type { ResolvedInstall } from "../install";
import { ENABLED_LABEL } from "../node/settings";
import type { Problem } from "../problem";
import { printable } from "../problem";
import type { RightAreas } from "./check";

interface Nodes {
  readonly checkpointing: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** Nodes that wait behind the startup taint for an agent must be chosen by the install, or they wait for ever. */
export function checkNodesGetAgent(areas: RightAreas, install: ResolvedInstall): Problem[] {
  const pools = areas.karpenter?.nodePools ?? [];
  return [
    ...[...areas.nodeGroups].flatMap(([index, group]) => unreached(["nodeGroups", index], group, install)),
    ...pools.flatMap((pool, index) => unreached(["karpenter", "nodePools", index], pool, install)),
  ];
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
