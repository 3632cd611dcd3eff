/** Runs sweeps of a process, one at a time. */
import { Missing } from "../../../../controller/artifacts/missing";
import { Orphans, type OrphansOptions, type Swept } from "../../../../controller/artifacts/orphans";
import { SweepReport } from "../../../../controller/artifacts/sweep-report";
import { ClusterIdentity } from "../../../../controller/cluster";
import type { Process, World } from "./support";

export const DAY_MS = 86_400_000;
export const NOW = Date.parse("2026-11-28T03:00:00Z");
const signal = new AbortController().signal;

/** Returns a function that runs one sweep of a process. A sweep deletes what two sweeps in a row have found. */
export function sweepOf(world: World, process: Process, options: Partial<OrphansOptions> = {}) {
  const { client, events, log, metrics } = process.runtime;
  const report = new SweepReport(events, log, metrics);
  const { limits = { reads: 100, pauseMs: 0 } } = options;
  const common = { registry: process.registry, checkpoints: process.checkpoints, report, limits };
  const repositories = world.repositories;
  const orphans = new Orphans({
    ...common,
    client,
    mode: "delete",
    repositories,
    namespaces: "all",
    minAgeMs: DAY_MS,
    cluster: new ClusterIdentity(client),
    uses: process.uses,
    isPending: () => false,
    log,
    ...options,
  });
  const missing = new Missing({ ...common, client, repositories });
  return {
    sweep: async (until: AbortSignal = signal) => {
      await process.synced();
      return orphans.sweep(until);
    },
    missing: async (swept: Swept) => {
      await process.synced();
      await missing.mark(swept, NOW, signal);
      await process.synced();
    },
  };
}
