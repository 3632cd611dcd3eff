import type { Assessment } from "./agents";
import type { NodeSnapshot } from "./history";
import { CONDITION_TYPE, hasOurs, type GateNode } from "./objects";
import { ORPHAN_GRACE_MS } from "./taint";

/** Shortest time between two messages of a node's condition. */
const MESSAGE_INTERVAL_MS = 60_000;

/** Reasons of the condition. `AgentsReady` and `ReadyWithFailures` with status True, the others with False. */
export type ConditionReason =
  | "AgentsReady"
  | "ReadyWithFailures"
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
  /** Whether an event reports it too: the node starts to wait, a check that only warns fails, or the gate failed open. */
  readonly warn?: true;
  /** Whether it is written without delay. */
  readonly urgent?: true;
  readonly recheckAtMs?: number;
}

/** Decides the node's condition. The taint is written first. */
export function decideCondition(snapshot: NodeSnapshot): ConditionDecision {
  const { node, assessment, history, installation, now } = snapshot;
  const { condition } = node;
  if (node.deleting) return {};
  if (!assessment.gated) {
    if (!condition || history.orphanSinceMs === undefined) return {};
    const atMs = history.orphanSinceMs + ORPHAN_GRACE_MS;
    return now < atMs ? { recheckAtMs: atMs } : { change: "remove" };
  }
  if (installation.state === "uninstalled") return condition ? { change: "remove" } : {};
  return assessment.ready ? whileReady(snapshot) : whileUnready(snapshot);
}

const READY = {
  status: "True",
  reason: "AgentsReady",
  message: "All agents are Ready with the current configuration",
} as const satisfies ConditionChange;

function whileReady(snapshot: NodeSnapshot): ConditionDecision {
  const { node, assessment, history, settings, now } = snapshot;
  const { condition } = node;
  const { failures } = assessment;
  const change: ConditionChange =
    failures === undefined
      ? READY
      : { status: "True", reason: "ReadyWithFailures", message: `Workloads are admitted. ${failures}` };
  const warn = change.reason !== READY.reason && condition?.reason !== change.reason;
  if (condition?.status !== "True") {
    const urgent = settings.owner === "nodeReadinessRule";
    return { change, ...(warn && { warn }), ...(urgent && { urgent }) };
  }
  const same = condition.reason === change.reason;
  // The message of AgentsReady never changes.
  if (same && (condition.message === change.message || failures === undefined)) return {};
  const sinceMs = warn ? (history.failuresSinceMs ?? now) + settings.explainAfterSeconds * 1000 : 0;
  const dueAtMs = Math.max(sinceMs, (history.conditionWrittenAtMs ?? 0) + MESSAGE_INTERVAL_MS);
  if (now < dueAtMs) return { recheckAtMs: dueAtMs };
  return { change, ...(warn && { warn }) };
}

function whileUnready(snapshot: NodeSnapshot): ConditionDecision {
  const { node, assessment, history, now } = snapshot;
  const { condition } = node;
  const sinceMs = unreadySince(snapshot);
  if (sinceMs === undefined) return {};
  const reason = reasonOf(snapshot);
  const urgent = isUrgent(snapshot, reason);
  const atMs = urgent ? now : sinceMs + snapshot.settings.explainAfterSeconds * 1000;
  if (condition?.status !== "False" && now < atMs) return { recheckAtMs: atMs };

  const change = { status: "False", reason, message: messageOf(assessment) } as const;
  const warn = condition?.status !== "False" || (reason === "FailedOpen" && condition.reason !== reason);
  if (warn) return { change, warn, ...(urgent && { urgent }) };
  if (urgent && condition?.reason !== reason) return { change, urgent };
  if (condition?.reason === reason && condition.message === change.message) return {};
  const nextMs = (history.conditionWrittenAtMs ?? 0) + MESSAGE_INTERVAL_MS;
  return now < nextMs ? { recheckAtMs: nextMs } : { change };
}

/** Returns since when the node is unready. A rollout on a node without our taint does not count: its agents still serve. */
function unreadySince({ node, assessment, history, settings }: NodeSnapshot): number | undefined {
  if (!history.onceReady) return history.waitingSinceMs;
  if (!assessment.serving) return history.lostSinceMs;
  if (settings.owner !== "controller" || !hasOurs(node, settings.taint)) return undefined;
  return Math.max(history.waitingSinceMs ?? 0, history.taintedSinceMs ?? 0);
}

/** Checks whether it is written without delay: others act on it, or it must survive a restart of this process. */
function isUrgent({ node, assessment, settings }: NodeSnapshot, reason: ConditionReason): boolean {
  if (reason === "FailedOpen") return true;
  const { condition } = node;
  if (settings.owner === "nodeReadinessRule") return condition?.status === "True";
  return reason === "AgentLost" && !assessment.serving && hasOurs(node, settings.taint);
}

function reasonOf({ assessment, history }: NodeSnapshot): ConditionReason {
  if (history.failedOpen) return "FailedOpen";
  if (history.onceReady) return "AgentLost";
  return assessment.agents.some(({ reason }) => reason === "NotInstalled")
    ? "AgentNotInstalled"
    : "AgentNotReady";
}

/** Returns the agents that a node waits for and why, in one line. */
export function messageOf({ agents }: Pick<Assessment, "agents">): string {
  const reasons = agents.flatMap(({ agent, text }) => (text === undefined ? [] : [`${agent.name}: ${text}`]));
  return `Waiting for ${reasons.join("; ")}`;
}

/** Returns the strategic merge patch of a node's status that sets or removes our condition and no other. */
export function conditionPatch(
  { condition }: GateNode,
  change: "remove" | ConditionChange,
  now: number,
): object {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  const ours =
    change === "remove"
      ? { $patch: "delete", type: CONDITION_TYPE }
      : {
          type: CONDITION_TYPE,
          ...change,
          lastHeartbeatTime: time,
          lastTransitionTime: condition?.status === change.status ? condition.lastTransitionTime : time,
        };
  return { status: { conditions: [ours] } };
}
