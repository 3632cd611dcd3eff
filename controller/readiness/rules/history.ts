import type { GateSettings } from "../../../config/programs/controller";
import type { Assessment, Installation } from "./agents";
import { hasOurs, isUnregistered, type GateNode } from "./objects";

/** What this process has observed of a node. A restart may lose all of it: what must last is in the condition. */
export interface NodeHistory {
  readonly uid: string;
  /** The agents were Ready on this node at some time. */
  readonly onceReady: boolean;
  /** The taint was removed although the agents were not Ready, and they have not been Ready since. */
  readonly failedOpen: boolean;
  /** Since when the node has the taint. */
  readonly taintedSinceMs?: number;
  /** Since when not all agents are Ready with the current configuration. */
  readonly waitingSinceMs?: number;
  /** Since when an agent that was Ready is not serving. */
  readonly lostSinceMs?: number;
  /** Since when checks fail that do not gate the node. */
  readonly failuresSinceMs?: number;
  /** Since when a node with our taint or condition does not match the selector. */
  readonly orphanSinceMs?: number;
  /** When the condition was last written by this process. */
  readonly conditionWrittenAtMs?: number;
  /** When this process removed the taint: the last few times within the last minute. */
  readonly removedAtMs: readonly number[];
}

/** Removals within a minute after which another client counts as adding the taint each time. */
export const CONTESTED = 5;
const CONTEST_WINDOW_MS = 60_000;

function recent(times: readonly number[], now: number): readonly number[] {
  return times.filter((time) => now - time < CONTEST_WINDOW_MS);
}

/** Adds a write of this process to the history of a node. */
export function withWrite(
  history: NodeHistory,
  write: { readonly removed?: true; readonly failedOpen?: true; readonly condition?: true },
  now: number,
): NodeHistory {
  return {
    ...history,
    ...(write.removed && { removedAtMs: [...history.removedAtMs, now].slice(-CONTESTED) }),
    ...(write.failedOpen && { failedOpen: true }),
    ...(write.condition && { conditionWrittenAtMs: now }),
  };
}

/** Returns the history after the node was observed again. */
export function updateHistory(
  before: NodeHistory | undefined,
  node: GateNode,
  { gated, ready, serving, failures }: Assessment,
  settings: Pick<GateSettings, "taint">,
  now: number,
): NodeHistory {
  const known = before?.uid === node.metadata.uid ? before : undefined;
  const { condition } = node;
  const tainted = hasOurs(node, settings.taint);
  const onceReady =
    known?.onceReady === true ||
    (gated && ready) ||
    condition?.status === "True" ||
    condition?.reason === "AgentLost";
  const orphan = !gated && !isUnregistered(node) && (tainted || condition !== undefined);
  // A node that was never ready has been waiting since it was registered.
  const waitingSinceMs = known?.waitingSinceMs ?? (onceReady || !tainted ? now : node.createdMs);
  return {
    uid: node.metadata.uid,
    removedAtMs: recent(known?.removedAtMs ?? [], now),
    onceReady,
    failedOpen: gated && !ready && (known?.failedOpen === true || condition?.reason === "FailedOpen"),
    ...(tainted && { taintedSinceMs: known?.taintedSinceMs ?? now }),
    ...(gated && !ready && { waitingSinceMs }),
    ...(gated && onceReady && !serving && { lostSinceMs: known?.lostSinceMs ?? now }),
    ...(gated && failures !== undefined && { failuresSinceMs: known?.failuresSinceMs ?? now }),
    ...(orphan && { orphanSinceMs: known?.orphanSinceMs ?? now }),
    ...(known?.conditionWrittenAtMs !== undefined && { conditionWrittenAtMs: known.conditionWrittenAtMs }),
  };
}

/** All inputs of a decision on a node. */
export interface NodeSnapshot {
  readonly node: GateNode;
  readonly assessment: Assessment;
  readonly history: NodeHistory;
  readonly installation: Installation;
  /** Whether the disruption limit allows no further taint. */
  readonly tooManyUnready: boolean;
  readonly settings: GateSettings;
  readonly now: number;
}
