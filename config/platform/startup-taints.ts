import { resolveAddons } from "../cluster";
import type { EngineCapabilities } from "../engines";
import { gateOwner, gateTaint, type ResolvedInstall } from "../install";
import { startupTaintOf, tolerates, toTaintText, type Taint } from "../nodes";
import type { Problem } from "../schema/problem";
import type { ValidAreas } from "./areas";
import { nodesOf } from "./nodes";

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

/** The agents need DNS. If every node is gated until they are Ready, CoreDNS must tolerate the taint. */
function checkDns(areas: ValidAreas, gate: Taint): Problem[] {
  const nodes = nodesOf(areas);
  if (!areas.cluster || nodes.length === 0 || nodes.some(([, one]) => !startupTaintOf(one))) return [];
  const addon = resolveAddons(areas.cluster.addons).find(({ name }) => name === "coredns");
  const { tolerations } = addon?.configuration ?? {};
  if (!Array.isArray(tolerations) || tolerations.some((one) => tolerates(one as object, gate))) return [];
  const wanted = { key: gate.key, operator: "Exists", effect: gate.effect };
  return [
    {
      code: "gate-not-tolerated",
      path: ["cluster", "addons", "coredns"],
      message: "does not tolerate the startup taint that every node has",
      allowed: `a toleration of ${toTaintText(gate)}`,
      remedy: `set configuration: { tolerations: ${JSON.stringify([...BUILT_IN, wanted])} }; else nodes and CoreDNS wait for each other`,
    },
  ];
}

/** The add-on's default tolerations. A given list replaces them. */
const BUILT_IN = [
  { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
  { key: "CriticalAddonsOnly", operator: "Exists" },
];
