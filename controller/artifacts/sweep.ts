import { isOutdated, sleep, type Client, type Logger } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { hasFinalizer, removeFinalizer } from "./finalizer";
import { Missing, type MissingOptions } from "./missing";
import { Orphans, type OrphansOptions } from "./orphans";

/** Time from the begin of the lead to the first sweep, and between two. */
const FIRST_MS = 300_000;
const SWEEP_MS = 3_600_000;
/** The maximum of `waitSeconds`. Another install, which may have a Checkpoint, has its own. */
const MAX_WAIT_MS = 604_800_000;

export interface SweepOptions extends MissingOptions, Omit<OrphansOptions, "mode" | "log" | "client"> {
  readonly mode: "off" | OrphansOptions["mode"];
  readonly report: OrphansOptions["report"];
  readonly checkpoints: OrphansOptions["checkpoints"];
  readonly log: Pick<Logger, "info" | "warn">;
}

/** Sweeps the repository and the Checkpoints, once an hour until the signal. */
export async function sweepArtifacts(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { mode, client, namespaces, log } = options;
  const sweepers =
    mode === "off"
      ? undefined
      : { orphans: new Orphans({ ...options, mode }), missing: new Missing(options) };
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, `${what} failed, retrying later`);
    }
  };
  for (let delayMs = FIRST_MS; ; delayMs = SWEEP_MS) {
    await sleep(delayMs, signal);
    if (signal.aborted) return;
    if (namespaces !== "all")
      await attempt("release of Checkpoints", () => releaseOthers(client, namespaces, signal));
    if (sweepers === undefined) continue;
    await attempt("sweep of the repository", () => sweepOnce({ ...options, ...sweepers }, signal));
  }
}

/** What continues from one sweep to the next. */
export interface Sweepers {
  readonly orphans: Orphans;
  readonly missing: Missing;
}

/** Sweeps the repository for artifacts without a Checkpoint, and the Checkpoints for those without an artifact. */
export async function sweepOnce(
  { orphans, missing, report, log }: Pick<SweepOptions, "report" | "log"> & Sweepers,
  signal: AbortSignal,
): Promise<void> {
  const sinceMs = Date.now();
  const swept = await orphans.sweep(signal);
  for (const [repository, err] of swept.failed)
    log.warn({ repository, err }, "sweep of a repository failed, retrying later");
  if (swept.unconfirmed !== undefined)
    log.warn(
      { err: swept.unconfirmed },
      "the Checkpoints of all namespaces cannot be listed: no artifact without a Checkpoint is deleted, retrying later",
    );
  await missing.mark(swept, sinceMs, signal);
  if (swept.failed.size === 0 && swept.unconfirmed === undefined) report.ended(Date.now());
}

/**
 * Releases deleted Checkpoints in namespaces that the install does not have any more: no controller reconciles them. One that another
 * install reconciles was released before, with each `waitSeconds`.
 */
export async function releaseOthers(
  client: Client,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const all: readonly CheckpointObject[] = await client.list(CHECKPOINT, { signal });
  for (const object of all) {
    const { namespace, deletionTimestamp } = object.metadata;
    const isOver = Date.parse(deletionTimestamp ?? "") + MAX_WAIT_MS < Date.now();
    if (namespaces.includes(namespace) || !isOver || !hasFinalizer(object)) continue;
    try {
      await removeFinalizer(client, object);
    } catch (error) {
      if (!isOutdated(error)) throw error;
    }
  }
}
