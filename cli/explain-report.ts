import {
  assess,
  hasOurs,
  isOurs,
  updatePresences,
  type AgentAssessment,
  type NodeCondition,
  type Taint,
} from "../controller/readiness/rules";
import { toTaintText } from "../config";
import type { Observed } from "./explain-read";
import type { Gate } from "./explain-settings";

/** Ready: workloads may come. Opening: nothing is left but to take the taint away. */
export type Verdict = "ready" | "opening" | "waiting" | "notGated" | "orphaned";

/** What `explain node` says, as data: `--output json`. */
export interface Report {
  readonly node: string;
  readonly verdict: Verdict;
  /** Who holds the taint. */
  readonly owner: string;
  readonly taint: {
    readonly text: string;
    readonly present: boolean;
    readonly lastWrittenBy?: { readonly manager: string; readonly time?: string };
  };
  /** Taints of others: they keep pods away too. */
  readonly otherTaints: readonly string[];
  readonly condition?: NodeCondition;
  readonly agents: readonly AgentReport[];
  /** What to run next. */
  readonly next: readonly string[];
}

export interface AgentReport {
  readonly agent: string;
  readonly daemonSet: string;
  readonly ready: boolean;
  readonly reason?: string;
  readonly message?: string;
  readonly pod?: string;
  readonly readySince?: string;
  readonly configuration?: string;
  readonly currentConfiguration?: string;
}

/** Evaluates a node by the rules of the controller. `kubectl` is the command that reaches the same cluster. */
export function report(
  gate: Gate,
  { node, pods, daemonSets, taintsBy }: Observed,
  now: number,
  kubectl: string,
): Report {
  const { settings, owner } = gate;
  const presences = updatePresences(settings.agents, [], (agent) => daemonSets.get(agent), now);
  const assessment = assess(node, presences, pods, settings, now);
  const present = hasOurs(node, settings.taint);
  const verdict = (): Verdict => {
    if (!assessment.gated) return present ? "orphaned" : "notGated";
    if (!assessment.ready) return "waiting";
    return present && settings.owner === "controller" ? "opening" : present ? "waiting" : "ready";
  };
  return {
    node: node.metadata.name,
    verdict: verdict(),
    owner,
    taint: {
      text: toTaintText(settings.taint),
      present,
      ...(present && taintsBy && { lastWrittenBy: taintsBy }),
    },
    otherTaints: node.taints.filter((taint) => !isOurs(taint, settings.taint)).map(textOf),
    ...(node.condition && { condition: node.condition }),
    agents: assessment.gated
      ? assessment.agents.map((agent) => agentReport(agent, daemonSets.get(agent.agent)?.hash))
      : [],
    next: nextSteps(gate, verdict(), assessment.agents, kubectl),
  };
}

function agentReport({ agent, ready, reason, text, pod }: AgentAssessment, current?: string): AgentReport {
  return {
    agent: agent.name,
    daemonSet: `${agent.namespace}/${agent.daemonSet}`,
    ready,
    ...(reason !== undefined && { reason }),
    ...(text !== undefined && { message: text }),
    ...(pod && { pod: pod.metadata.name }),
    ...(pod?.ready && { readySince: new Date(pod.readySinceMs).toISOString() }),
    ...(pod?.hash !== undefined && { configuration: pod.hash }),
    ...(current !== undefined && { currentConfiguration: current }),
  };
}

function nextSteps(
  { controller, settings }: Gate,
  verdict: Verdict,
  agents: readonly AgentAssessment[],
  kubectl: string,
) {
  if (verdict === "ready" || verdict === "notGated") return [];
  if (verdict === "waiting" && agents.some(({ ready }) => !ready)) {
    return agents.filter(({ ready }) => !ready).flatMap((agent) => nextForAgent(agent, kubectl));
  }
  return settings.owner === "controller"
    ? [`${kubectl} -n ${controller.namespace} logs deployment/${controller.name}`]
    : [`${kubectl} get nodereadinessrules`];
}

function nextForAgent({ agent, reason, pod }: AgentAssessment, kubectl: string): readonly string[] {
  const inNamespace = `${kubectl} -n ${agent.namespace}`;
  switch (reason) {
    case "NotInstalled":
    case "Uninstalled":
      return [`${inNamespace} get daemonset ${agent.daemonSet}`];
    case "NoPod":
      return [`${inNamespace} describe daemonset ${agent.daemonSet}`];
    case "OldConfiguration":
      return [`${inNamespace} rollout status daemonset/${agent.daemonSet}`];
    default:
      return pod
        ? [
            `${inNamespace} describe pod ${pod.metadata.name}`,
            `${inNamespace} logs ${pod.metadata.name} --all-containers`,
          ]
        : [];
  }
}

function textOf({ key, value = "", effect }: Taint): string {
  return `${key}${value === "" ? "" : `=${value}`}:${effect}`;
}
