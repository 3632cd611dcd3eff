import type { ResolvedInstall } from "./schema";

/** Returns the names of the objects that do not depend on the engine. They must be stable: a renamed object is replaced. */
export function namesOf({ name }: Pick<ResolvedInstall, "name">) {
  return {
    agentAccount: `${name}-agent`,
    agentSettings: `${name}-agent-settings`,
    agentOwnNode: `${name}-agent-own-node`,
    healthCheckOwnPod: `${name}-health-check-own-pod`,
    helper: `${name}-helper`,
    healthCheck: `${name}-health-check`,
    artifacts: `${name}-artifacts`,
    controller: `${name}-controller`,
    controllerSettings: `${name}-controller-settings`,
    controllerAgents: `${name}-controller-agents`,
    controllerIdentity: `${name}-controller-identity`,
    controllerEvents: `${name}-controller-events`,
    controllerNodes: `${name}-controller-nodes`,
    controllerPods: `${name}-controller-pods`,
    controllerSecrets: `${name}-controller-secrets`,
    controllerWebhook: `${name}-controller-webhook`,
    controllerArtifacts: `${name}-controller-artifacts`,
    controllerLease: `${name}-controller-lease`,
    controllerCheckpoints: `${name}-controller-checkpoints`,
    controllerNodeCheckpoints: `${name}-controller-node-checkpoints`,
    controllerNodeRestores: `${name}-controller-node-restores`,
    controllerPolicies: `${name}-controller-policies`,
    controllerSandboxes: `${name}-controller-sandboxes`,
    sandboxes: `${name}-sandboxes`,
    sandboxPolicies: `${name}-sandbox-policies`,
    controllerNodeMemoryWatches: `${name}-controller-node-memory-watches`,
    controllerPolicySecrets: `${name}-controller-policy-secrets`,
    controllerNotifySecrets: `${name}-controller-notify-secrets`,
    policyWebhook: `${name}-policies`,
    platformPolicies: `${name}-platform-policies`,
    controllerPlatformPolicies: `${name}-controller-platform-policies`,
    controllerConfigMaps: `${name}-controller-config-maps`,
    controllerRestore: `${name}-controller-restore`,
    controllerCertificate: `${name}-controller-certificate`,
    crds: `${name}-crds`,
    checkpointPolicies: `${name}-checkpoint-policies`,
    checkpointDeletions: `${name}-checkpoint-deletions`,
    checkpointRecords: `${name}-checkpoint-records`,
    restore: `${name}-restore`,
    restoreCertificate: `${name}-restore-certificate`,
  };
}

/** Returns the namespace of helper and health check. */
export function agentNamespace({ namespace, agentNamespace: separate }: ResolvedInstall): string {
  return separate ?? namespace;
}

/** Returns the labels that select the pods of a component. Selectors are immutable, so the labels must be stable. */
export function selectorLabels(install: ResolvedInstall, component: string): Record<string, string> {
  return {
    "app.kubernetes.io/name": install.partOf,
    "app.kubernetes.io/instance": install.instance ?? install.name,
    "app.kubernetes.io/component": component,
  };
}

/** Returns the labels of every object. They override custom labels, because selectors depend on them. */
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

/** Returns `repository@digest`, or `repository:tag`. The checks ensure that one of the two is set. */
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
