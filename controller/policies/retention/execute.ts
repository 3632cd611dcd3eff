import type { RetainedCheckpoint } from "./facts";
import type { RetentionEntry } from "./plan";
import { isGood, isProven } from "./protection";

export type Deletion = Extract<RetentionEntry, { readonly is: "delete" }>;

/** The cluster, as the deletion of Checkpoints sees it. */
export interface RetentionCluster {
  /** Decides by what is known now. @param deleted UIDs of Checkpoints that were deleted, and may still be known */
  plan(deleted: ReadonlySet<string>): Promise<readonly RetentionEntry[]>;
  /** Returns whether the policy still requests deletions. */
  isCurrent(): boolean;
  /** Waits until the next request is permitted. @throws Error if the process must not delete any longer */
  pause(): Promise<void>;
  /** Reads the newest version of a Checkpoint. */
  read(checkpoint: RetainedCheckpoint): Promise<RetainedCheckpoint | undefined>;
  /** Reads whether a pod that has not ended is restored from it. */
  hasPods(checkpoint: RetainedCheckpoint): Promise<boolean>;
  /** Deletes exactly this version. @returns false if it has changed */
  delete(deletion: Deletion): Promise<boolean>;
  /** Records that the API server rejects a deletion. @returns false for another error */
  rejected(deletion: Deletion, error: unknown): boolean;
}

/** Deletions after which is decided again. */
const BATCH = 50;
/** Rejected deletions after which a run ends: the others are probably rejected too. */
const MAX_REJECTED = 10;

/**
 * Deletes what the plan says, the oldest first, and decides again after each batch. What is known may be late: a Checkpoint that has
 * changed is not deleted, and neither is one whose plan relies on another one that is not good any longer. Each is tried once:
 * the next run of the policy tries again. Nothing more is deleted once the policy is not current.
 * @returns the number of deleted Checkpoints
 * @throws Error if the API server does not respond, or `pause` throws
 */
export async function executeRetention(cluster: RetentionCluster): Promise<number> {
  const tried = new Set<string>();
  const deleted = new Set<string>();
  let rejected = 0;
  for (;;) {
    const entries = await cluster.plan(deleted);
    const due = entries.filter(
      (entry): entry is Deletion => entry.is === "delete" && !tried.has(entry.checkpoint.uid),
    );
    if (due.length === 0) return deleted.size;
    for (const deletion of due.slice(0, BATCH)) {
      const { uid } = deletion.checkpoint;
      tried.add(uid);
      await cluster.pause();
      if (!cluster.isCurrent()) return deleted.size;
      try {
        if (!(await mayDelete(cluster, deletion))) continue;
        if (!cluster.isCurrent()) return deleted.size;
        if (await cluster.delete(deletion)) deleted.add(uid);
      } catch (error) {
        if (!cluster.rejected(deletion, error)) throw error;
        if (++rejected >= MAX_REJECTED) return deleted.size;
      }
    }
  }
}

/** Checks what the version of the Checkpoint does not show, by the API server. */
async function mayDelete(cluster: RetentionCluster, { checkpoint, reliesOn }: Deletion): Promise<boolean> {
  for (const planned of reliesOn()) {
    const now = await cluster.read(planned);
    if (now?.uid !== planned.uid || now.isDeleted) return false;
    if ((isGood(planned) && !isGood(now)) || (isProven(planned) && !isProven(now))) return false;
  }
  return !(await cluster.hasPods(checkpoint));
}
