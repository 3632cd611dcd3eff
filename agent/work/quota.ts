import { CheckpointFailure } from "./failure";

/** What the disk of the checkpoints has, in bytes. */
export interface DiskUse {
  /** Size of the agent's checkpoints. */
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/**
 * Checks that the agent's checkpoints stay within their quota, and that the disk has the reserve free.
 * @throws CheckpointFailure QuotaExceeded, with the figures
 */
export function checkQuota(
  { usedBytes, freeBytes }: DiskUse,
  { quotaBytes, reserveBytes }: { readonly quotaBytes: number; readonly reserveBytes: number },
  phase: "before" | "after",
): void {
  const exceeded = phase === "before" ? usedBytes >= quotaBytes : usedBytes > quotaBytes;
  if (exceeded)
    throw new CheckpointFailure(
      "QuotaExceeded",
      `the agent's archives use ${inMiB(usedBytes)} of the quota of ${inMiB(quotaBytes)}: wait for their push or raise the quota`,
    );
  if (freeBytes < reserveBytes)
    throw new CheckpointFailure(
      "QuotaExceeded",
      `the disk of the archives has ${inMiB(freeBytes)} free, less than the reserve of ${inMiB(reserveBytes)}: free disk space`,
    );
}

function inMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 0)} MiB`;
}
