import { checkQuota as check } from "../../work";
import type { JobContext } from "./context";

/** Checks quota and reserve of the agent's archives. @throws CheckpointFailure QuotaExceeded, with the figures */
export async function checkQuota(
  { archives, journal, settings }: Pick<JobContext, "archives" | "journal" | "settings">,
  phase: "before" | "after",
): Promise<void> {
  const files = await Promise.all(
    journal.list().map(async ({ archive }) => (archive === undefined ? undefined : archives.stat(archive))),
  );
  const usedBytes = files.reduce((sum, file) => sum + (file?.size ?? 0), 0);
  check({ usedBytes, freeBytes: await archives.freeBytes() }, settings, phase);
}
