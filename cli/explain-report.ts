import {
  assess,
  hasOurs,
  isOurs,
  updatePresences,
  type AgentAssessment,
  type NodeCondition,
} from "../controller/readiness/rules";
import { toTaintText } from "../config";
import type { Gate, Observed } from "./gate";

/** Whether workloads can be scheduled to the node. `opening`: all agents are Ready, the taint is not removed yet. */
export type Verdict = "ready" | "opening" | "waiting" | "notGated" | "orphaned";

/** Result of `explain node`, as `--output json` prints it. */
export interface Report {
  readonly node: string;
  readonly verdict: Verdict;
  /** Gate owner. */
  readonly owner: string;
  readonly taint: {
    readonly text: string;
    readonly present: boolean;
    readonly lastWrittenBy?: { readonly manager: string; readonly time?: string };
  };
  /** Taints of other components, which also keep pods away. */
  readonly otherTaints: readonly string[];
  readonly condition?: NodeCondition;
  readonly agents: readonly AgentReport[];
  /** Checks of the health check. Missing for an engine without them. */
  readonly checks?: readonly CheckReport[];
  /** Commands to run next. */
  readonly next: readonly string[];
}

export interface CheckReport {
  readonly check: string;
  /** gate: the node is gated until it passes. warn: the node takes workloads although it fails. */
  readonly effect: "gate" | "warn";
  /** Unknown until the health check of the node has reported. */
  readonly result: "ok" | "warning" | "failed" | "unknown";
}

export interface AgentReport {
  readonly agent: string;
  readonly daemonSet: string;
  readonly ready: boolean;
  readonly reason?: string;
  readonly message?: string;
  /** Failed checks that do not gate the node. */
  readonly failures?: string;
  readonly pod?: string;
  readonly readySince?: string;
  readonly configuration?: string;
  readonly currentConfiguration?: string;
}

/** Evaluates a node by the rules of the controller. `kubectl` is the command with the flags of the same cluster. */
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
    otherTaints: node.taints.filter((taint) => !isOurs(taint, settings.taint)).map(toTaintText),
    ...(node.condition && { condition: node.condition }),
    agents: assessment.gated
      ? assessment.agents.map((agent) => agentReport(agent, daemonSets.get(agent.agent)?.hash))
      : [],
    ...(gate.checks && assessment.gated && { checks: checkReports(gate.checks, assessment.agents) }),
    next: nextSteps(gate, verdict(), node.metadata.name, assessment.agents, kubectl),
  };
}

function checkReports(
  checks: NonNullable<Gate["checks"]>,
  agents: readonly AgentAssessment[],
): readonly CheckReport[] {
  const reported = agents.find(({ pod }) => pod?.checks !== undefined)?.pod?.checks;
  const resultOf = (name: string) =>
    reported ? (reported.find(({ check }) => check === name)?.status ?? "ok") : "unknown";
  return (["gate", "warn"] as const).flatMap((effect) =>
    checks[effect].map((check) => ({ check, effect, result: resultOf(check) })),
  );
}

function agentReport(
  { agent, ready, reason, text, pod, failures }: AgentAssessment,
  current?: string,
): AgentReport {
  return {
    agent: agent.name,
    daemonSet: `${agent.namespace}/${agent.daemonSet}`,
    ready,
    ...(reason !== undefined && { reason }),
    ...(text !== undefined && { message: text }),
    ...(failures !== undefined && { failures }),
    ...(pod && { pod: pod.metadata.name }),
    ...(pod?.ready && { readySince: new Date(pod.readySinceMs).toISOString() }),
    ...(pod?.hash !== undefined && { configuration: pod.hash }),
    ...(current !== undefined && { currentConfiguration: current }),
  };
}

function nextSteps(
  { controller, settings }: Gate,
  verdict: Verdict,
  node: string,
  agents: readonly AgentAssessment[],
  kubectl: string,
) {
  if (verdict === "ready" || verdict === "notGated") return [];
  if (verdict === "waiting" && agents.some(({ ready }) => !ready)) {
    return agents.filter(({ ready }) => !ready).flatMap((agent) => nextForAgent(agent, node, kubectl));
  }
  return settings.owner === "controller"
    ? [`${kubectl} -n ${controller.namespace} logs deployment/${controller.name}`]
    : [`${kubectl} get nodereadinessrules`];
}

function nextForAgent(
  { agent, reason, pod }: AgentAssessment,
  node: string,
  kubectl: string,
): readonly string[] {
  const inNamespace = `${kubectl} -n ${agent.namespace}`;
  switch (reason) {
    case "NotInstalled":
    case "Uninstalled":
      return [`${inNamespace} get daemonset ${agent.daemonSet}`];
    case "NoPod":
      return [`${inNamespace} describe daemonset ${agent.daemonSet}`];
    case "Excluded":
      return [`${inNamespace} get daemonset ${agent.daemonSet} -o yaml`, `${kubectl} describe node ${node}`];
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

const VERDICTS: Readonly<Record<Verdict, string>> = {
  ready: "is ready: the gate is open",
  opening: "has all agents Ready and still the taint: the controller removes it",
  waiting: "is gated",
  notGated: "is not subject to the gate: the install's nodeSelector does not match it",
  orphaned: "is not subject to the gate, but has the taint: the controller removes it within minutes",
};

/** Formats a report as text. */
export function reportText(report: Report): string {
  const { node, verdict, owner, taint, otherTaints, condition, agents, checks, next } = report;
  const by = taint.lastWrittenBy;
  const written = by ? `, taints last written by ${by.manager}${by.time ? ` at ${by.time}` : ""}` : "";
  const rows: [string, string][] = [
    ["taint", `${taint.text} ${taint.present ? `present${written}` : "absent"}; gate owner: ${owner}`],
    ...(otherTaints.length > 0 ? [["other taints", otherTaints.join(", ")] as [string, string]] : []),
    ...(condition
      ? ([
          [
            "condition",
            `CedanaReady=${condition.status} (${condition.reason}) since ${condition.lastTransitionTime}: ${condition.message}`,
          ],
        ] as [string, string][])
      : []),
    ...agents.map((agent): [string, string] => [agent.agent, agentText(agent)]),
    ...(checks ? [["checks", checksText(checks)] as [string, string]] : []),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
  const steps = next.length > 0 ? ["", "Next:", ...next.map((step) => `  ${step}`)] : [];
  return `${[`Node ${node} ${VERDICTS[verdict]}`, ...lines, ...steps].join("\n")}\n`;
}

/** Formats the checks by their effect: `gate: criu, kernel; warn: space, registry (failed)`. */
function checksText(checks: readonly CheckReport[]): string {
  const nameOf = ({ check, result }: CheckReport) =>
    result === "warning" || result === "failed" ? `${check} (${result})` : check;
  const parts = (["gate", "warn"] as const).flatMap((effect) => {
    const names = checks.filter((check) => check.effect === effect).map(nameOf);
    return names.length === 0 ? [] : [`${effect}: ${names.join(", ")}`];
  });
  const unknown = checks.some(({ result }) => result === "unknown");
  return [...parts, ...(unknown ? ["no result reported yet"] : [])].join("; ");
}

function agentText(agent: AgentReport) {
  const { ready, message, failures, pod, readySince, configuration, currentConfiguration } = agent;
  if (ready) {
    const reports = failures === undefined ? "" : `; it reports, without gating the node: ${failures}`;
    return `Ready: pod ${pod ?? ""} since ${readySince ?? "an unknown time"}${reports}`;
  }
  const hashes =
    configuration !== undefined && configuration !== currentConfiguration
      ? ` (configuration ${short(configuration)}, current ${short(currentConfiguration ?? "none")})`
      : "";
  return `not Ready: ${message ?? "unknown reason"}${hashes}`;
}

const short = (hash: string) => hash.slice(0, 12);
