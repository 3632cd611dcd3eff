import type {
  DeleteCheckpointsAction,
  RetentionKeepReason,
  RetentionLimit,
  RetentionStatus,
} from "../../../api";
import type { Policy } from "../core/types";
import { FILTERS } from "../filters";
import { planPolicy, retentionItem, retentionStatus, type RetentionObjects } from "../retention";

/** A Checkpoint, and the reason for which it is deleted or stays. */
export interface RetentionItem<Reason = RetentionLimit | RetentionKeepReason> {
  readonly namespace: string;
  readonly name: string;
  readonly reason: Reason;
  readonly message: string;
}

/** What a policy with the action `deleteCheckpoints` would do at its next run, if nothing changes until then. */
export interface RetentionPreview extends Omit<RetentionStatus, "next" | "deleted"> {
  /** When: its next run without jitter, or now if it has none. RFC 3339. */
  readonly at: string;
  /** Whether the policy only reports. */
  readonly dryRun: boolean;
  /** Size of what would be deleted in bytes, as far as it is known. */
  readonly toDeleteBytes: number;
  /** All that would be deleted, the oldest first. */
  readonly next: readonly RetentionItem<RetentionLimit>[];
  /** All that would stay, the oldest first. */
  readonly remaining: readonly RetentionItem<RetentionKeepReason>[];
}

/** Decides as the controller does, about the objects of the policy's namespaces. Returns undefined for another action. */
export function previewRetention(
  policy: Policy,
  objects: RetentionObjects,
  atMs: number,
): RetentionPreview | undefined {
  const { deleteCheckpoints: settings } = policy.spec.action as {
    readonly deleteCheckpoints?: DeleteCheckpointsAction;
  };
  if (settings === undefined) return undefined;
  const entries = planPolicy(policy, settings, FILTERS, objects, atMs);
  const deletions = entries.filter((entry) => entry.is === "delete");
  return {
    at: new Date(atMs).toISOString(),
    dryRun: settings.dryRun ?? false,
    ...retentionStatus(entries, undefined),
    toDeleteBytes: deletions.reduce((sum, { checkpoint: { sizeBytes = 0 } }) => sum + sizeBytes, 0),
    next: deletions.map((entry) => retentionItem(entry)),
    remaining: entries.flatMap((entry) => (entry.is === "keep" ? [retentionItem(entry)] : [])),
  };
}
