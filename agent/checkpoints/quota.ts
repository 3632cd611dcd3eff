import { Failure } from "./failure";
import type { Tools } from "./tools";

type Needs = Pick<Tools, "archives" | "journal" | "settings">;

/**
 * Holds the agent's archives to their share of the disk.
 * @throws Failure QuotaExceeded, with the figures
 */
export async function holdQuota(
  { archives, journal, settings }: Needs,
  kind: "before" | "after",
): Promise<void> {
  const { quotaBytes, reserveBytes } = settings;
  const looks = await Promise.all(
    journal.list().map(async ({ archive }) => (archive === undefined ? undefined : archives.look(archive))),
  );
  const used = looks.reduce((sum, look) => sum + (look?.size ?? 0), 0);
  const free = await archives.freeBytes();
  const full = kind === "before" ? used >= quotaBytes : used > quotaBytes;
  if (full)
    throw new Failure(
      "QuotaExceeded",
      `archives of the agent take ${inMiB(used)} of the ${inMiB(quotaBytes)} that they may (quota): wait until they are pushed, or raise the quota`,
    );
  if (free < reserveBytes)
    throw new Failure(
      "QuotaExceeded",
      `the disk of the archives has ${inMiB(free)} free, and ${inMiB(reserveBytes)} are to stay free: free some of it`,
    );
}

function inMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 0)} MiB`;
}
