import { CheckpointFailure, type JobContext } from "./context";

/**
 * Checks that the agent's archives stay within their quota, and that the disk has the reserve free.
 * @throws CheckpointFailure QuotaExceeded, with the figures
 */
export async function checkQuota(
  { archives, journal, settings }: Pick<JobContext, "archives" | "journal" | "settings">,
  phase: "before" | "after",
): Promise<void> {
  const { quotaBytes, reserveBytes } = settings;
  const files = await Promise.all(
    journal.list().map(async ({ archive }) => (archive === undefined ? undefined : archives.stat(archive))),
  );
  const used = files.reduce((sum, file) => sum + (file?.size ?? 0), 0);
  const free = await archives.freeBytes();
  const exceeded = phase === "before" ? used >= quotaBytes : used > quotaBytes;
  if (exceeded)
    throw new CheckpointFailure(
      "QuotaExceeded",
      `the agent's archives use ${inMiB(used)} of the quota of ${inMiB(quotaBytes)}: wait for their push or raise the quota`,
    );
  if (free < reserveBytes)
    throw new CheckpointFailure(
      "QuotaExceeded",
      `the disk of the archives has ${inMiB(free)} free, less than the reserve of ${inMiB(reserveBytes)}: free disk space`,
    );
}

function inMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 0)} MiB`;
}
