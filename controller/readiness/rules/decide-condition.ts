import type { Assessment } from "./assess";
import type { Situation } from "./decide-taint";
import type { NodeCondition } from "./objects";
import { MESSAGE_INTERVAL_MS, ORPHAN_GRACE_MS } from "./settings";
import { hasOurs } from "./taints";

/** Reasons of the condition. `AgentsReady` goes with True, the others with False. */
export type ConditionReason =
  | "AgentsReady"
  | "AgentNotInstalled"
  | "AgentNotReady"
  | "AgentLost"
  | "FailedOpen";

export interface ConditionChange {
  readonly status: "True" | "False";
  readonly reason: ConditionReason;
  readonly message: string;
}

export interface ConditionDecision {
  readonly change?: "remove" | ConditionChange;
  /** Whether an event tells it too: a wait has begun, or the gate failed open. */
  readonly warn?: true;
  /** Whether others wait for it. */
  readonly prompt?: true;
  readonly recheckAtMs?: number;
}

/** What the node's condition has to say, once its taint is as decided. */
export function decideCondition(situation: Situation): ConditionDecision {
  const { node, assessment, memory, installation, settings, now } = situation;
  const { condition } = node;
  if (node.deleting) return {};
  if (!assessment.gated) {
    if (!condition || memory.orphanSinceMs === undefined) return {};
    const atMs = memory.orphanSinceMs + ORPHAN_GRACE_MS;
    return now < atMs ? { recheckAtMs: atMs } : { change: "remove" };
  }
  if (installation.state === "uninstalled") return condition ? { change: "remove" } : {};
  if (assessment.ready) {
    if (isTrue(condition)) return {};
    return { change: READY, ...(settings.owner === "nodeReadinessRule" && { prompt: true }) };
  }
  return explain(situation);
}

const READY = {
  status: "True",
  reason: "AgentsReady",
  message: "All agents are Ready with the current configuration",
} as const satisfies ConditionChange;

function isTrue(condition: NodeCondition | undefined): boolean {
  return condition?.status === "True" && condition.reason === READY.reason;
}

function explain(situation: Situation): ConditionDecision {
  const { node, assessment, memory, now } = situation;
  const { condition } = node;
  const sinceMs = waitsSince(situation);
  if (sinceMs === undefined) return {};
  const reason = reasonOf(situation);
  const prompt = isPrompt(situation, reason);
  const atMs = prompt ? now : sinceMs + situation.settings.explainAfterSeconds * 1000;
  if (condition?.status !== "False" && now < atMs) return { recheckAtMs: atMs };

  const change = { status: "False", reason, message: messageOf(assessment) } as const;
  const warn = condition?.status !== "False" || (reason === "FailedOpen" && condition.reason !== reason);
  if (warn) return { change, warn, ...(prompt && { prompt }) };
  if (condition?.reason === reason && condition.message === change.message) return {};
  const nextMs = (memory.conditionWrittenAtMs ?? 0) + MESSAGE_INTERVAL_MS;
  return now < nextMs ? { recheckAtMs: nextMs } : { change };
}

/** Since when there is something to tell. A rollout on a node without our taint is nothing: its agents still serve. */
function waitsSince({ node, assessment, memory, settings }: Situation): number | undefined {
  if (!memory.onceReady) return memory.waitingSinceMs;
  if (!assessment.serving) return memory.lostSinceMs;
  if (settings.owner !== "controller" || !hasOurs(node, settings.taint)) return undefined;
  return Math.max(memory.waitingSinceMs ?? 0, memory.taintedSinceMs ?? 0);
}

/** Whether it is told at once: others act on it, or a restart of this process must not forget it. */
function isPrompt({ node, assessment, settings }: Situation, reason: ConditionReason): boolean {
  if (reason === "FailedOpen") return true;
  const { condition } = node;
  if (settings.owner === "nodeReadinessRule") return condition?.status === "True";
  return reason === "AgentLost" && !assessment.serving && hasOurs(node, settings.taint);
}

function reasonOf({ assessment, memory }: Situation): ConditionReason {
  if (memory.failedOpen) return "FailedOpen";
  if (memory.onceReady) return "AgentLost";
  return assessment.agents.some(({ reason }) => reason === "NotInstalled")
    ? "AgentNotInstalled"
    : "AgentNotReady";
}

/** What the node waits for, in one line. */
export function messageOf({ agents }: Pick<Assessment, "agents">): string {
  const waits = agents.flatMap(({ agent, text }) => (text === undefined ? [] : [`${agent.name}: ${text}`]));
  return `Waits for ${waits.join("; ")}`;
}
