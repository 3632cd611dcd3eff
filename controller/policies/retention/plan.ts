import type { DeleteCheckpointsAction, RetentionKeepReason, RetentionLimit } from "../../../api";
import { atOnce, each, mapped, sorted, type Steps } from "../../../kube";
import type { RetainedCheckpoint, RetainingPod } from "./facts";
import { protections, type ProtectionInput } from "./protection";
import { newestFirst } from "./order";

export interface RetentionInput extends ProtectionInput {
  /** In any order. */
  readonly checkpoints: readonly RetainedCheckpoint[];
  readonly limits: Omit<DeleteCheckpointsAction, "policies" | "createdByUsers" | "dryRun">;
  /** Whether the policy may delete the Checkpoint at all. */
  readonly isSelected: (checkpoint: RetainedCheckpoint) => boolean;
}

/** What retention does with a Checkpoint that its policy selects. */
export type RetentionEntry =
  | {
      readonly is: "delete";
      readonly checkpoint: RetainedCheckpoint;
      /** The limit that it exceeds. */
      readonly reason: RetentionLimit;
      readonly message: string;
      /** Returns newer ones of its workload that must still be good when it is deleted. */
      readonly reliesOn: () => readonly RetainedCheckpoint[];
    }
  | {
      readonly is: "keep";
      readonly checkpoint: RetainedCheckpoint;
      readonly reason: RetentionKeepReason;
      readonly message: string;
    };

export type { RetainedCheckpoint, RetainingPod };

/**
 * Decides for each Checkpoint that a policy selects whether it is deleted or kept, and why. It reads no clock and sends no
 * request. The same facts have the same result, so a process that was killed between two deletions is continued by another one.
 * @param nowMs when the Checkpoints would be deleted
 * @returns the oldest Checkpoint first: they are deleted in this order
 */
export function planRetention(input: RetentionInput, nowMs: number): readonly RetentionEntry[] {
  return atOnce(decide(input, nowMs));
}

/** The same in steps: a decision is about tens of thousands of Checkpoints. */
export function* decide(input: RetentionInput, nowMs: number): Steps<readonly RetentionEntry[]> {
  const { limits, isSelected } = input;
  const checkpoints = yield* sorted(input.checkpoints, newestFirst);
  const newest: RetainedCheckpoint[] = [];
  yield* each(checkpoints, (one) => {
    if (isSelected(one)) newest.push(one);
  });
  const selected = newest.toReversed();
  const protect = yield* protections({ ...input, checkpoints }, nowMs);
  const last = yield* lastOf(newest, limits.keepLast);
  const decided = yield* mapped(selected, (checkpoint): RetentionEntry => {
    const protection = protect(checkpoint);
    if (protection) return { is: "keep", checkpoint, ...protection };
    if (last.has(checkpoint))
      return keep(checkpoint, "KeepLast", `one of the last ${limits.keepLast} of its workload`);
    const exceeded = exceededBy(checkpoint, limits, nowMs);
    return exceeded === undefined
      ? keep(checkpoint, "WithinLimits", "no limit is exceeded")
      : { is: "delete", checkpoint, ...exceeded, reliesOn: () => protect.reliesOn(checkpoint) };
  });
  return limits.maxTotalBytes === undefined
    ? decided
    : yield* withinSize(decided, limits.maxTotalBytes, (one) => protect.reliesOn(one));
}

function keep(checkpoint: RetainedCheckpoint, reason: RetentionKeepReason, message: string): RetentionEntry {
  return { is: "keep", checkpoint, reason, message };
}

/** Returns the last `count` completed Checkpoints of each lineage. @param selected newest first */
function* lastOf(
  selected: readonly RetainedCheckpoint[],
  count: number | undefined,
): Steps<ReadonlySet<RetainedCheckpoint>> {
  const last = new Set<RetainedCheckpoint>();
  if (count === undefined) return last;
  const counts = new Map<string, number>();
  yield* each(selected, (one) => {
    if (one.state !== "completed" || one.isDeleted) return;
    const number = (counts.get(one.lineage) ?? 0) + 1;
    counts.set(one.lineage, number);
    if (number <= count) last.add(one);
  });
  return last;
}

/** Returns the limit that an unprotected Checkpoint exceeds by itself. `keepLast` alone deletes all others. */
function exceededBy(
  { endedMs = Number.NaN }: RetainedCheckpoint,
  { olderThanSeconds, keepLast, maxTotalBytes }: RetentionInput["limits"],
  nowMs: number,
): { readonly reason: RetentionLimit; readonly message: string } | undefined {
  if (olderThanSeconds !== undefined) {
    const ageSeconds = Math.floor((nowMs - endedMs) / 1000);
    return ageSeconds > olderThanSeconds
      ? { reason: "OlderThan", message: `ended ${ageSeconds} s ago; olderThanSeconds is ${olderThanSeconds}` }
      : undefined;
  }
  return keepLast === undefined || maxTotalBytes !== undefined
    ? undefined
    : { reason: "BeyondLast", message: `not one of the last ${keepLast} of its workload` };
}

/** Deletes the oldest Checkpoints that nothing else keeps until the rest is small enough. @param entries oldest first */
function* withinSize(
  entries: readonly RetentionEntry[],
  maxBytes: number,
  reliesOn: (checkpoint: RetainedCheckpoint) => readonly RetainedCheckpoint[],
): Steps<readonly RetentionEntry[]> {
  const sizeOf = ({ is, checkpoint: { sizeBytes = 0, isDeleted } }: RetentionEntry) =>
    is === "delete" || isDeleted ? 0 : sizeBytes;
  let total = 0;
  yield* each(entries, (entry) => void (total += sizeOf(entry)));
  let left = total;
  return yield* mapped(entries, (entry): RetentionEntry => {
    const size = sizeOf(entry);
    if (left <= maxBytes || size === 0 || entry.is === "delete" || entry.reason !== "WithinLimits")
      return entry;
    const { checkpoint } = entry;
    left -= size;
    const message = `the Checkpoints have ${total} bytes in total; maxTotalBytes is ${maxBytes}`;
    return {
      is: "delete",
      checkpoint,
      reason: "OverTotalSize",
      message,
      reliesOn: () => reliesOn(checkpoint),
    };
  });
}
