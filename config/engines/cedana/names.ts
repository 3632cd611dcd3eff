import type { ResolvedInstall } from "../../install";
import type { ResolvedCedanaEngine } from "./schema";

type Named = Pick<ResolvedCedanaEngine, "manager" | "attachAccount">;

/** Returns the names of the engine's objects. They must be stable: a renamed object is replaced. */
export function cedanaNames({ manager, attachAccount }: Named, { name }: Pick<ResolvedInstall, "name">) {
  return {
    config: `${name}-config`,
    helperService: `${name}-helper-service`,
    manager: `${name}-manager`,
    managerService: `${name}-manager-service`,
    managerAccount: manager.serviceAccount.name ?? `${name}-controller-manager`,
    managerRole: `${name}-manager-role`,
    workloadRole: `${name}-manager-workloads`,
    leaderElection: `${name}-leader-election-role`,
    metricsService: `${name}-controller-metrics`,
    metricsReader: `${name}-metrics-reader`,
    metricsProxy: `${name}-metrics-proxy`,
    dynamoWatcher: `${name}-dynamo-watcher`,
    attachAccount: (attachAccount && attachAccount.name) || `${name}-attach`,
  };
}
