import { CheckpointFailure } from "./failure";

/** What the disk of the checkpoints has, in bytes. */
export interface DiskUse {
  /** Size of the agent's checkpoints. */
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Pods for which the disk has a checkpoint that is or was restored. They do not count against the quota. */
  readonly restoredPods?: number;
}

/**
 * Checks that the agent's checkpoints stay within their quota, and that the disk has the reserve free.
 * @throws CheckpointFailure QuotaExceeded, with the figures
 */
export function checkQuota(
  { usedBytes, freeBytes, restoredPods = 0 }: DiskUse,
  { quotaBytes, reserveBytes }: { readonly quotaBytes: number; readonly reserveBytes: number },
  phase: "before" | "after",
): void {
  const exceeded = phase === "before" ? usedBytes >= quotaBytes : usedBytes > quotaBytes;
  if (exceeded)
    throw new CheckpointFailure(
      "QuotaExceeded",
      `the checkpoints on this node use ${inMiB(usedBytes)} of the quota of ${inMiB(quotaBytes)}: wait for their push or raise the quota`,
    );
  if (freeBytes >= reserveBytes) return;
  const pods =
    restoredPods === 0 ? "" : `, or delete restored pods: it has the checkpoints of ${restoredPods}`;
  throw new CheckpointFailure(
    "QuotaExceeded",
    `the disk of the checkpoints has ${inMiB(freeBytes)} free, less than the reserve of ${inMiB(reserveBytes)}: free disk space${pods}`,
  );
}

function inMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 0)} MiB`;
}
