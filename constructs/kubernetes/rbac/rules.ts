import type { V1PolicyRule } from "@kubernetes/client-node";
import type { ResolvedInstall } from "../../../config/install";

const READ = ["get", "list", "watch"];

/** What the manager does in the whole cluster: it reads workloads, holds its taint on nodes, and reports. */
export function clusterRules({ kueue, manager }: ResolvedInstall): V1PolicyRule[] {
  return [
    { apiGroups: [""], resources: ["nodes"], verbs: [...READ, "patch"] },
    {
      apiGroups: [""],
      resources: ["namespaces", "pods", "persistentvolumes", "persistentvolumeclaims"],
      verbs: READ,
    },
    { apiGroups: ["apps"], resources: ["deployments", "daemonsets", "statefulsets"], verbs: READ },
    { apiGroups: ["batch"], resources: ["jobs"], verbs: READ },
    { apiGroups: ["", "events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
    ...(kueue
      ? [
          {
            apiGroups: ["kueue.x-k8s.io"],
            resources: ["workloads", "localqueues", "clusterqueues", "resourceflavors"],
            verbs: READ,
          },
        ]
      : []),
    ...manager.extraRules,
  ];
}

/** What a restore does in the namespace of a workload. */
export const WORKLOAD_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "update", "patch", "delete"] },
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "delete"] },
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["create"] },
];

/** Election of a leader, in the manager's namespace. `create` knows no name, so it is a rule of its own. */
export function leaderElectionRules(leaseName: string | undefined): V1PolicyRule[] {
  return [
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      ...(leaseName === undefined ? {} : { resourceNames: [leaseName] }),
      verbs: ["get", "update", "patch"],
    },
  ];
}

/** What the proxy before the metrics does: it asks the API server who calls, and whether he may. */
export const METRICS_PROXY_RULES: V1PolicyRule[] = [
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
];

export const METRICS_READER_RULES: V1PolicyRule[] = [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }];

/** What a Dynamo watcher does in the namespaces of its graphs. It writes Services only to make load balancers. */
export function dynamoRules(createLoadBalancer: boolean): V1PolicyRule[] {
  const write = ["create", "update", "patch", "delete"];
  return [
    {
      apiGroups: ["nvidia.com"],
      resources: ["dynamographdeployments", "dynamoworkermetadatas"],
      verbs: [...READ, ...write],
    },
    { apiGroups: [""], resources: ["pods"], verbs: [...READ, "create", "delete"] },
    { apiGroups: [""], resources: ["services"], verbs: createLoadBalancer ? [...READ, ...write] : READ },
    { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: [...READ, "create"] },
  ];
}
