import type { AgentPresence } from "./installation";
import type { AgentDaemonSet, AgentPod, GateNode } from "./objects";
import { PREDECESSOR_GRACE_MS, type AgentSettings, type GateSettings } from "./settings";

/** Why an agent does not count as Ready on a node. */
export type WaitReason =
  | "NotInstalled"
  | "Uninstalled"
  | "NoPod"
  | "PodDeleting"
  | "PodNotReady"
  | "OldConfiguration"
  | "PodOfPredecessor";

/** One agent on one node. */
export interface AgentVerdict {
  readonly agent: AgentSettings;
  /** Ready with the current configuration. */
  readonly ready: boolean;
  /** Ready with any configuration: during a rollout, the old one still works. */
  readonly serving: boolean;
  readonly pod?: AgentPod;
  /** Only if not ready. */
  readonly reason?: WaitReason;
  /** The reason in plain words, with the pod's name. */
  readonly text?: string;
}

/** What is the matter with a node. */
export interface Assessment {
  /** Whether the selector matches the node. */
  readonly gated: boolean;
  /** All agents are Ready with the current configuration. */
  readonly ready: boolean;
  /** All agents are Ready with some configuration. */
  readonly serving: boolean;
  readonly agents: readonly AgentVerdict[];
  /** Since when all are Ready, by the kubelet's clock. Only if ready. */
  readonly readySinceMs?: number;
  /** When to look again though nothing changes. */
  readonly recheckAtMs?: number;
}

/** Judges a node by the pods of the agents that are on it. */
export function assess(
  node: GateNode,
  presences: readonly AgentPresence[],
  pods: readonly AgentPod[],
  settings: Pick<GateSettings, "nodeSelector">,
  now: number,
): Assessment {
  const agents = presences.map((presence) => judge(node, presence, pods, now));
  const ready = agents.every((agent) => agent.ready);
  const early = agents.some(({ reason }) => reason === "PodOfPredecessor");
  return {
    gated: Object.entries(settings.nodeSelector).every(([key, value]) => node.labels[key] === value),
    ready,
    serving: agents.every(({ serving }) => serving),
    agents,
    ...(ready && { readySinceMs: Math.max(...agents.map(({ pod }) => pod?.readySinceMs ?? 0)) }),
    ...(early && { recheckAtMs: node.createdMs + PREDECESSOR_GRACE_MS }),
  };
}

function judge(
  node: GateNode,
  { agent, daemonSet, seen }: AgentPresence,
  pods: readonly AgentPod[],
  now: number,
): AgentVerdict {
  const name = `DaemonSet ${agent.namespace}/${agent.daemonSet}`;
  if (!daemonSet) {
    const [reason, text] = seen
      ? (["Uninstalled", `${name} was deleted`] as const)
      : (["NotInstalled", `${name} does not exist`] as const);
    return { agent, ready: false, serving: false, reason, text };
  }
  const verdicts = pods
    .filter(({ ownerUid }) => ownerUid === daemonSet.metadata.uid)
    .map((pod) => judgePod(node, agent, daemonSet, pod, now));
  return (
    verdicts.find(({ ready }) => ready) ??
    verdicts.find(({ serving }) => serving) ??
    verdicts.find(({ pod }) => !pod?.deleting) ??
    verdicts[0] ?? {
      agent,
      ready: false,
      serving: false,
      reason: "NoPod",
      text: `${name} has no pod on this node yet`,
    }
  );
}

function judgePod(
  node: GateNode,
  agent: AgentSettings,
  daemonSet: AgentDaemonSet,
  pod: AgentPod,
  now: number,
): AgentVerdict {
  const waits = (reason: WaitReason, text: string, serving = false): AgentVerdict => {
    return { agent, ready: false, serving, pod, reason, text: `pod ${pod.metadata.name} ${text}` };
  };
  if (pod.deleting) return waits("PodDeleting", "is being deleted");
  if (!pod.ready) return waits("PodNotReady", pod.trouble ?? "is not Ready yet");
  if (!isOf(node, pod, now)) return waits("PodOfPredecessor", "was Ready before this node was registered");
  if (pod.hash !== daemonSet.hash) {
    return waits("OldConfiguration", "still runs the previous configuration", true);
  }
  return { agent, ready: true, serving: true, pod };
}

/**
 * Whether the pod's readiness is this node's, not that of a node of the same name before it. A pod made later is: the API
 * server's clock stamps both. So is one that got Ready later, and one that nobody has corrected for long.
 */
function isOf(node: GateNode, pod: AgentPod, now: number): boolean {
  return (
    pod.createdMs >= node.createdMs ||
    pod.readySinceMs >= node.createdMs ||
    now >= node.createdMs + PREDECESSOR_GRACE_MS
  );
}
