import type { ResolvedInstall } from "./schema";

export type Component = "helper" | "health-check" | "manager" | "controller" | "dynamo-watcher";

/** The objects' names. They are contract: a change of one replaces the object. */
export function namesOf({ name, manager, attachAccount }: ResolvedInstall) {
  return {
    config: `${name}-config`,
    agentAccount: `${name}-agent`,
    agentSettings: `${name}-agent-settings`,
    agentOwnNode: `${name}-agent-own-node`,
    healthCheckOwnPod: `${name}-health-check-own-pod`,
    helper: `${name}-helper`,
    healthCheck: `${name}-health-check`,
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
    controller: `${name}-controller`,
    controllerSettings: `${name}-controller-settings`,
    controllerAgents: `${name}-controller-agents`,
    controllerEvents: `${name}-controller-events`,
    controllerLease: `${name}-controller-lease`,
    controllerCheckpoints: `${name}-controller-checkpoints`,
    controllerNodeCheckpoints: `${name}-controller-node-checkpoints`,
    controllerRestore: `${name}-controller-restore`,
    controllerCertificate: `${name}-controller-certificate`,
    restore: `${name}-restore`,
    restoreCertificate: `${name}-restore-certificate`,
    dynamoWatcher: `${name}-dynamo-watcher`,
    attachAccount: (attachAccount && attachAccount.name) || `${name}-attach`,
  };
}

/** Namespace of helper and health check. */
export function agentNamespace({ namespace, agentNamespace: own }: ResolvedInstall): string {
  return own ?? namespace;
}

/** What pods of a component are selected by. Immutable in a cluster. */
export function selectorLabels(install: ResolvedInstall, component: Component): Record<string, string> {
  return {
    "app.kubernetes.io/name": install.partOf,
    "app.kubernetes.io/instance": install.instance ?? install.name,
    "app.kubernetes.io/component": component,
  };
}

/** Labels of every object. Those of the user come first, because selectors stand on ours. */
export function commonLabels(install: ResolvedInstall, component?: string): Record<string, string> {
  return {
    ...install.labels,
    "app.kubernetes.io/name": install.partOf,
    "app.kubernetes.io/instance": install.instance ?? install.name,
    ...(component === undefined ? {} : { "app.kubernetes.io/component": component }),
    "app.kubernetes.io/part-of": "cedana",
    "app.kubernetes.io/managed-by": "cedana-cdk",
  };
}

/** `repository@digest`, or `repository:tag`. One of the two is there (checkInstall). */
export function imageReference({
  repository,
  tag,
  digest,
}: {
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}): string {
  return digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
}
