import type { Assessment } from "./assess";
import type { Installation } from "./installation";
import { CONTESTED, type Memory } from "./memory";
import type { GateNode } from "./objects";
import { KARPENTER_INITIALIZED, ORPHAN_GRACE_MS, type GateSettings } from "./settings";
import { hasOurs, isUnregistered } from "./taints";

/** All that a decision on a node stands on. */
export interface Situation {
  readonly node: GateNode;
  readonly assessment: Assessment;
  readonly memory: Memory;
  readonly installation: Installation;
  /** Whether too many nodes are unready to taint another. */
  readonly braked: boolean;
  readonly settings: GateSettings;
  readonly now: number;
}

/** Why the taint is changed. */
export type Cause = "Ready" | "Orphaned" | "Uninstalled" | "FailedOpen" | "AgentLost";

export interface TaintDecision {
  readonly change?: { readonly operation: "add" | "remove"; readonly cause: Cause };
  /** The taint would be added, did not the brake hold. */
  readonly held?: true;
  /** When to look again though nothing changes. */
  readonly recheckAtMs?: number;
}

/** Time between two looks at a node that the brake holds. */
const BRAKE_RECHECK_MS = 15_000;

/** Time between two removals of a taint that something else keeps putting back: no race of two programs at full speed. */
const CONTESTED_INTERVAL_MS = 10_000;

/** Whether our taint has to come or go. */
export function decideTaint(situation: Situation): TaintDecision {
  const { node, assessment, memory, installation, settings, now } = situation;
  if (settings.owner !== "controller" || node.deleting) return {};
  const tainted = hasOurs(node, settings.taint);
  if (!assessment.gated) {
    if (!tainted || isUnregistered(node)) return {};
    return removeAt((memory.orphanSinceMs ?? now) + ORPHAN_GRACE_MS, "Orphaned", now);
  }
  if (!tainted) return retaint(situation);
  if (installation.state === "uninstalled") return removeAt(now, "Uninstalled", now);
  if (assessment.ready) return removeAt(contestedUntil(memory) ?? now, "Ready", now);
  if (settings.failOpenAfterSeconds === undefined) return {};
  const since = Math.max(node.createdMs, memory.taintedSinceMs ?? now);
  return removeAt(since + settings.failOpenAfterSeconds * 1000, "FailedOpen", now);
}

function contestedUntil({ removedAtMs }: Memory): number | undefined {
  const last = removedAtMs.at(-1);
  return removedAtMs.length < CONTESTED || last === undefined ? undefined : last + CONTESTED_INTERVAL_MS;
}

function removeAt(atMs: number, cause: Cause, now: number): TaintDecision {
  return now < atMs ? { recheckAtMs: atMs } : { change: { operation: "remove", cause } };
}

/** A node gets the taint back only for the loss of an agent that was Ready on it and is still installed. */
function retaint(situation: Situation): TaintDecision {
  const { node, assessment, memory, installation, braked, settings, now } = situation;
  if (!settings.retaint || installation.state !== "installed") return {};
  if (assessment.serving || memory.lostSinceMs === undefined || memory.failedOpen) return {};
  // Karpenter takes a startup taint on such a node for one that stays, and starts other nodes.
  if (node.labels[KARPENTER_INITIALIZED] === "true") return {};
  const dueAtMs = memory.lostSinceMs + settings.retaint.holdOffSeconds * 1000;
  if (now < dueAtMs) return { recheckAtMs: dueAtMs };
  if (braked) return { held: true, recheckAtMs: now + BRAKE_RECHECK_MS };
  return { change: { operation: "add", cause: "AgentLost" } };
}
