import { resolveAddons } from "../cluster";
import { gateOwner, gateTaint, managerTaints, type ResolvedInstall } from "../install";
import { startupTaintOf, tolerates, toTaintText, type Taint } from "../nodes";
import type { Problem } from "../schema/problem";
import type { RightAreas } from "./areas";
import { nodesOf } from "./nodes";

/** Nodes begin with the taint that the owner of the gate takes away, and what he needs runs in spite of it. */
export function checkStartupTaints(areas: RightAreas, install: ResolvedInstall): Problem[] {
  if (gateOwner(install) === "manager" && !managerTaints(install)) return [];
  const gate = gateTaint(install);
  return [...checkNodes(areas, gate), ...checkDns(areas, gate)];
}

function checkNodes(areas: RightAreas, gate: Taint): Problem[] {
  return nodesOf(areas).flatMap(([path, nodes]) => {
    const taint = startupTaintOf(nodes);
    if (!nodes.checkpointing || taint === undefined) return [];
    if (taint.key === gate.key && taint.effect === gate.effect) return [];
    const { key, value, effect } = gate;
    return [
      {
        code: "taint-of-nobody",
        path: [...path, "startupTaint"],
        message: "is not the taint of install.readinessGate: nobody would take it away",
        given: toTaintText(taint),
        allowed: toTaintText(gate),
        remedy: `set startupTaint: { key: ${key}, value: ${JSON.stringify(value)}, effect: ${effect} }`,
      },
    ];
  });
}

/** The agents look names up. If every node waits for them, CoreDNS must not wait with it. */
function checkDns(areas: RightAreas, gate: Taint): Problem[] {
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
      message:
        "does not tolerate the taint that every node begins with: nodes and CoreDNS would wait for each other",
      allowed: `a toleration of ${toTaintText(gate)}`,
      remedy: `set configuration: { tolerations: ${JSON.stringify([...BUILT_IN, wanted])} }`,
    },
  ];
}

/** Those of the add-on itself, which a given list replaces. */
const BUILT_IN = [
  { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
  { key: "CriticalAddonsOnly", operator: "Exists" },
];
