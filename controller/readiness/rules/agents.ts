import type { AgentSettings, GateSettings } from "../../../config/programs/controller";
import type { AgentDaemonSet, AgentPod, GateNode } from "./objects";
import { exclusionOf } from "./placement";

/** Time before deleted DaemonSets count as uninstalled. A reinstall deletes and creates them within seconds. */
const UNINSTALL_GRACE_MS = 60_000;

/**
 * Time after which a pod that has been Ready since before its node was registered counts as Ready on it. A pod of a
 * previous node loses Ready before that: by the first report of the kubelet, or without one by the node lifecycle
 * controller after `--node-monitor-grace-period` (50 s by default).
 */
const PREVIOUS_NODE_GRACE_MS = 120_000;

/** The observed state of one agent's DaemonSet. */
export interface AgentPresence {
  readonly agent: AgentSettings;
  /** Undefined if it does not exist or is being deleted. */
  readonly daemonSet?: AgentDaemonSet;
  /** Whether this process has ever observed it. */
  readonly seen: boolean;
  /** Since when it is missing. */
  readonly missingSinceMs?: number;
}

/** Updates the state of the agents' DaemonSets. `find` returns a DaemonSet by namespace and name. */
export function updatePresences(
  agents: readonly AgentSettings[],
  before: readonly AgentPresence[],
  find: (agent: AgentSettings) => AgentDaemonSet | undefined,
  now: number,
): readonly AgentPresence[] {
  return agents.map((agent, index) => {
    const daemonSet = find(agent);
    if (daemonSet && !daemonSet.deleting) return { agent, daemonSet, seen: true };
    const { seen = false, missingSinceMs = now } = before[index] ?? {};
    return { agent, seen: seen || daemonSet !== undefined, missingSinceMs };
  });
}

/**
 * Whether the agents are installed. `uninstalling` becomes `uninstalled` at `uninstalledAtMs`. `missing`: none was ever
 * observed, or some do not exist; nodes stay gated.
 */
export type Installation =
  | { readonly state: "installed" | "missing" | "uninstalled" }
  | { readonly state: "uninstalling"; readonly uninstalledAtMs: number };

/**
 * Returns whether the agents are installed. They count as uninstalled some time after all of them were deleted. Agents that
 * never existed do not: nodes stay gated until they are installed.
 *
 * @param onceReady whether the condition of any node shows that the agents were Ready: then they were installed before this
 *   process started.
 */
export function installationOf(
  presences: readonly AgentPresence[],
  onceReady: boolean,
  now: number,
): Installation {
  const absent = presences.filter(({ daemonSet }) => daemonSet === undefined);
  if (absent.length === 0) return { state: "installed" };
  if (absent.length < presences.length) return { state: "missing" };
  if (!onceReady && !absent.some(({ seen }) => seen)) return { state: "missing" };
  const missingSinceMs = Math.max(...absent.map(({ missingSinceMs = now }) => missingSinceMs));
  const uninstalledAtMs = missingSinceMs + UNINSTALL_GRACE_MS;
  return now < uninstalledAtMs ? { state: "uninstalling", uninstalledAtMs } : { state: "uninstalled" };
}

/** Why an agent does not count as Ready on a node. */
export type UnreadyReason =
  | "NotInstalled"
  | "Uninstalled"
  | "NoPod"
  | "Excluded"
  | "PodDeleting"
  | "PodNotReady"
  | "OldConfiguration"
  | "PodOfPreviousNode";

/** One agent on one node. */
export interface AgentAssessment {
  readonly agent: AgentSettings;
  /** Ready with the current configuration. */
  readonly ready: boolean;
  /** Ready with any configuration: during a rollout, the old one still works. */
  readonly serving: boolean;
  readonly pod?: AgentPod;
  /** Only if not ready. */
  readonly reason?: UnreadyReason;
  /** The reason as a sentence, with the pod's name. */
  readonly text?: string;
  /** Failed checks of its pod that do not gate the node. Only if serving. */
  readonly failures?: string;
}

/** The state of a node, from the agents on it. */
export interface Assessment {
  /** Whether the selector matches the node. */
  readonly gated: boolean;
  /** All agents are Ready with the current configuration. */
  readonly ready: boolean;
  /** All agents are Ready with some configuration. */
  readonly serving: boolean;
  readonly agents: readonly AgentAssessment[];
  /** Failed checks that do not gate the node, with the pod's name. Only if all agents serve. */
  readonly failures?: string;
  /** Since when all are Ready, by the kubelet's clock. Only if ready. */
  readonly readySinceMs?: number;
  /** When to evaluate the node again without a change. */
  readonly recheckAtMs?: number;
}

/** Assesses a node by the pods of the agents on it. */
export function assess(
  node: GateNode,
  presences: readonly AgentPresence[],
  pods: readonly AgentPod[],
  settings: Pick<GateSettings, "nodeSelector">,
  now: number,
): Assessment {
  const agents = presences.map((presence) => assessAgent(node, presence, pods, now));
  const ready = agents.every((agent) => agent.ready);
  const serving = agents.every((agent) => agent.serving);
  const failures = serving ? failuresOf(agents) : undefined;
  const untrusted = agents.some(({ reason }) => reason === "PodOfPreviousNode");
  return {
    gated: Object.entries(settings.nodeSelector).every(([key, value]) => node.labels[key] === value),
    ready,
    serving,
    agents,
    ...(failures !== undefined && { failures }),
    ...(ready && { readySinceMs: Math.max(...agents.map(({ pod }) => pod?.readySinceMs ?? 0)) }),
    ...(untrusted && { recheckAtMs: node.createdMs + PREVIOUS_NODE_GRACE_MS }),
  };
}

function failuresOf(agents: readonly AgentAssessment[]): string | undefined {
  const texts = agents.flatMap(({ agent, pod, failures }) =>
    failures === undefined ? [] : [`${agent.name}: pod ${pod?.metadata.name ?? ""} reports ${failures}`],
  );
  return texts.length === 0 ? undefined : texts.join("; ");
}

function assessAgent(
  node: GateNode,
  { agent, daemonSet, seen }: AgentPresence,
  pods: readonly AgentPod[],
  now: number,
): AgentAssessment {
  const name = `DaemonSet ${agent.namespace}/${agent.daemonSet}`;
  if (!daemonSet) {
    const [reason, text] = seen
      ? (["Uninstalled", `${name} was deleted`] as const)
      : (["NotInstalled", `${name} does not exist`] as const);
    return { agent, ready: false, serving: false, reason, text };
  }
  const assessments = pods
    .filter(({ ownerUid }) => ownerUid === daemonSet.metadata.uid)
    .map((pod) => assessPod(node, agent, daemonSet, pod, now));
  return (
    assessments.find(({ ready }) => ready) ??
    assessments.find(({ serving }) => serving) ??
    assessments.find(({ pod }) => !pod?.deleting) ??
    assessments[0] ??
    withoutPod(node, agent, daemonSet, name)
  );
}

function withoutPod(
  node: GateNode,
  agent: AgentSettings,
  { placement }: AgentDaemonSet,
  name: string,
): AgentAssessment {
  const exclusion = exclusionOf(node, placement);
  const [reason, text] =
    exclusion === undefined
      ? (["NoPod", `${name} has no pod on this node yet`] as const)
      : (["Excluded", `${name} excludes this node: its ${exclusion}`] as const);
  return { agent, ready: false, serving: false, reason, text };
}

function assessPod(
  node: GateNode,
  agent: AgentSettings,
  daemonSet: AgentDaemonSet,
  pod: AgentPod,
  now: number,
): AgentAssessment {
  const failures = pod.failures === undefined ? {} : { failures: pod.failures };
  const unready = (reason: UnreadyReason, text: string, serving = false): AgentAssessment => {
    const state = { agent, ready: false, serving, pod, reason, text: `pod ${pod.metadata.name} ${text}` };
    return serving ? { ...state, ...failures } : state;
  };
  if (pod.deleting) return unready("PodDeleting", "is being deleted");
  if (!pod.ready) return unready("PodNotReady", pod.unreadyReason ?? "has reported no reason");
  if (!isOfNode(node, pod, now))
    return unready("PodOfPreviousNode", "was Ready before this node was registered");
  if (pod.hash !== daemonSet.hash) {
    return unready("OldConfiguration", "still runs the previous configuration", true);
  }
  return { agent, ready: true, serving: true, pod, ...failures };
}

/**
 * Checks whether the pod's readiness belongs to this node and not to a previous node of the same name: the pod was created
 * or got Ready after the node was registered, or the grace period has passed without a correction.
 */
function isOfNode(node: GateNode, pod: AgentPod, now: number): boolean {
  return (
    pod.createdMs >= node.createdMs ||
    pod.readySinceMs >= node.createdMs ||
    now >= node.createdMs + PREVIOUS_NODE_GRACE_MS
  );
}
