import type { Assessment } from "./assess";
import type { GateNode } from "./objects";
import type { GateSettings } from "./settings";
import { hasOurs, isUnregistered } from "./taints";

/** What is remembered of a node between two looks. All of it may be lost: what must last stands in the condition. */
export interface Memory {
  readonly uid: string;
  /** Agents were Ready on this node once. */
  readonly onceReady: boolean;
  /** The taint was taken away though the agents were not Ready, and they have not been since. */
  readonly failedOpen: boolean;
  /** Since when the taint is there. */
  readonly taintedSinceMs?: number;
  /** Since when not all agents are Ready with the current configuration. */
  readonly waitingSinceMs?: number;
  /** Since when an agent that was Ready is not serving. */
  readonly lostSinceMs?: number;
  /** Since when the selector does not match a node that carries something of ours. */
  readonly orphanSinceMs?: number;
  /** When the condition was last written by this process. */
  readonly conditionWrittenAtMs?: number;
  /** When this process took the taint away, within the last minute; the last few times. */
  readonly removedAtMs: readonly number[];
}

/** So many removals within a minute mean that something else puts the taint back each time. */
export const CONTESTED = 5;
const CONTEST_WINDOW_MS = 60_000;

function recent(times: readonly number[], now: number): readonly number[] {
  return times.filter((time) => now - time < CONTEST_WINDOW_MS);
}

/** The memory after this process has written to the node. */
export function remembering(
  memory: Memory,
  did: { readonly removed?: true; readonly failedOpen?: true; readonly condition?: true },
  now: number,
): Memory {
  return {
    ...memory,
    ...(did.removed && { removedAtMs: [...memory.removedAtMs, now].slice(-CONTESTED) }),
    ...(did.failedOpen && { failedOpen: true }),
    ...(did.condition && { conditionWrittenAtMs: now }),
  };
}

/** What is remembered after another look at the node. */
export function remember(
  before: Memory | undefined,
  node: GateNode,
  { gated, ready, serving }: Assessment,
  settings: Pick<GateSettings, "taint">,
  now: number,
): Memory {
  const known = before?.uid === node.metadata.uid ? before : undefined;
  const { condition } = node;
  const tainted = hasOurs(node, settings.taint);
  const onceReady =
    known?.onceReady === true ||
    (gated && ready) ||
    condition?.status === "True" ||
    condition?.reason === "AgentLost";
  const orphan = !gated && !isUnregistered(node) && (tainted || condition !== undefined);
  // A node that never was ready has been waiting since it was registered, whoever was looking.
  const waitingSinceMs = known?.waitingSinceMs ?? (onceReady || !tainted ? now : node.createdMs);
  return {
    uid: node.metadata.uid,
    removedAtMs: recent(known?.removedAtMs ?? [], now),
    onceReady,
    failedOpen: gated && !ready && (known?.failedOpen === true || condition?.reason === "FailedOpen"),
    ...(tainted && { taintedSinceMs: known?.taintedSinceMs ?? now }),
    ...(gated && !ready && { waitingSinceMs }),
    ...(gated && onceReady && !serving && { lostSinceMs: known?.lostSinceMs ?? now }),
    ...(orphan && { orphanSinceMs: known?.orphanSinceMs ?? now }),
    ...(known?.conditionWrittenAtMs !== undefined && { conditionWrittenAtMs: known.conditionWrittenAtMs }),
  };
}
