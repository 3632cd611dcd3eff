import type { AgentDaemonSet } from "./objects";
import { UNINSTALL_GRACE_MS, type AgentSettings } from "./settings";

/** What is known of one agent's DaemonSet. */
export interface AgentPresence {
  readonly agent: AgentSettings;
  /** Undefined if there is none, or if it is being deleted. */
  readonly daemonSet?: AgentDaemonSet;
  /** Whether this process has seen it. */
  readonly seen: boolean;
  /** Since when there is none. */
  readonly goneSinceMs?: number;
}

/** What was known, brought up to date. `find` looks a DaemonSet up by namespace and name. */
export function track(
  agents: readonly AgentSettings[],
  before: readonly AgentPresence[],
  find: (agent: AgentSettings) => AgentDaemonSet | undefined,
  now: number,
): readonly AgentPresence[] {
  return agents.map((agent, index) => {
    const daemonSet = find(agent);
    if (daemonSet && !daemonSet.deleting) return { agent, daemonSet, seen: true };
    const { seen = false, goneSinceMs = now } = before[index] ?? {};
    return { agent, seen: seen || daemonSet !== undefined, goneSinceMs };
  });
}

/**
 * Whether the agents are installed. `leaving` becomes `uninstalled` at `uninstalledAtMs`. `missing`: no agent was ever
 * seen, or some of them are not there: nodes wait.
 */
export type Installation =
  | { readonly state: "installed" | "missing" | "uninstalled" }
  | { readonly state: "leaving"; readonly uninstalledAtMs: number };

/**
 * Agents of which all are gone count as uninstalled after a time. Agents that were never there do not: they are still to
 * be installed, and until then no workload may slip in.
 *
 * @param onceReady whether some node says, by its condition, that the agents were Ready on it: then they were installed
 *   before this process started.
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
  const goneSinceMs = Math.max(...absent.map(({ goneSinceMs = now }) => goneSinceMs));
  const uninstalledAtMs = goneSinceMs + UNINSTALL_GRACE_MS;
  return now < uninstalledAtMs ? { state: "leaving", uninstalledAtMs } : { state: "uninstalled" };
}
