import type { AgentReport, Report, Verdict } from "./explain-report";

const VERDICTS: Readonly<Record<Verdict, string>> = {
  ready: "is ready: the gate is open",
  opening: "has all agents Ready, but still carries the taint: the controller takes it away",
  waiting: "waits",
  notGated: "is not gated: the install's nodeSelector does not match it",
  orphaned: "is not gated, but carries the taint: the controller takes it away within minutes",
};

/** A report for people. */
export function reportText(report: Report): string {
  const { node, verdict, owner, taint, otherTaints, condition, agents, next } = report;
  const by = taint.lastWrittenBy;
  const written = by ? `, taints last written by ${by.manager}${by.time ? ` at ${by.time}` : ""}` : "";
  const rows: [string, string][] = [
    ["taint", `${taint.text} ${taint.present ? `is on it${written}` : "is not on it"}; held by ${owner}`],
    ...(otherTaints.length > 0
      ? [["others", `also keep pods away: ${otherTaints.join(", ")}`] as [string, string]]
      : []),
    ...(condition
      ? ([
          [
            "condition",
            `CedanaReady=${condition.status} (${condition.reason}) since ${condition.lastTransitionTime}: ${condition.message}`,
          ],
        ] as [string, string][])
      : []),
    ...agents.map((agent): [string, string] => [agent.agent, agentText(agent)]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
  const steps = next.length > 0 ? ["", "Next:", ...next.map((step) => `  ${step}`)] : [];
  return `${[`Node ${node} ${VERDICTS[verdict]}`, ...lines, ...steps].join("\n")}\n`;
}

function agentText({ ready, message, pod, readySince, configuration, currentConfiguration }: AgentReport) {
  if (ready) return `Ready: pod ${pod ?? ""} since ${readySince ?? "an unknown time"}`;
  const hashes =
    configuration !== undefined && configuration !== currentConfiguration
      ? ` (configuration ${short(configuration)}, current ${short(currentConfiguration ?? "none")})`
      : "";
  return `waits: ${message ?? "for an unknown reason"}${hashes}`;
}

const short = (hash: string) => hash.slice(0, 12);
