import {
  MAX_NEXT,
  RETENTION_KEEP_REASONS,
  type RetentionKeepReason,
  type RetentionStatus,
} from "../../../api";
import type { RetentionEntry } from "./plan";

/** Maximum length of a message in the status. */
const MAX_MESSAGE = 1024;

/** Returns the status of a plan. @param deleted number of Checkpoints that the last run deleted */
export function retentionStatus(
  entries: readonly RetentionEntry[],
  deleted: number | undefined,
): RetentionStatus {
  const next = entries.filter((entry) => entry.is === "delete");
  const kept = keptBy(entries);
  return {
    selected: entries.length,
    totalBytes: entries.reduce((sum, { checkpoint: { sizeBytes = 0 } }) => sum + sizeBytes, 0),
    toDelete: next.length,
    ...(next.length === 0 ? {} : { next: next.slice(0, MAX_NEXT).map(retentionItem) }),
    ...(kept.length === 0 ? {} : { kept }),
    ...(deleted === undefined ? {} : { deleted }),
  };
}

/** Returns a Checkpoint with what is decided about it, as the status has it. */
export function retentionItem<T extends RetentionEntry>({ checkpoint: { key }, reason, message }: T) {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name, reason: reason as T["reason"], message: message.slice(0, MAX_MESSAGE) };
}

/** Counts the Checkpoints that are kept, by reason. */
export function keptBy(
  entries: readonly RetentionEntry[],
): readonly { readonly reason: RetentionKeepReason; readonly count: number }[] {
  const counts = new Map<RetentionKeepReason, number>();
  for (const entry of entries)
    if (entry.is === "keep") counts.set(entry.reason, (counts.get(entry.reason) ?? 0) + 1);
  return RETENTION_KEEP_REASONS.flatMap((reason) => {
    const count = counts.get(reason) ?? 0;
    return count === 0 ? [] : [{ reason, count }];
  });
}
