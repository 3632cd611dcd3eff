import type { V1PolicyRule } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import type { EngineProps } from "../../input";
import { bindEverywhere, clusterRole, grantIn, grantWhere, subject } from "../../rbac";
import { cedanaInputOf, type CedanaInput } from "./input";

/**
 * Permissions of the manager's ServiceAccount: it reads workloads and writes its taint in the whole cluster, creates, changes
 * and deletes workloads in `manager.workloadNamespaces` only, and elects a leader in its namespace.
 */
export class ManagerRbac extends Construct {
  readonly clusterRole: ApiObject;
  /** Permissions in the namespaces of workloads: a Role and its binding in each. */
  readonly workloadRoles: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const { namespace } = install;
    const { manager } = engine;
    const component = "manager";
    const account = { namespace, name: names.managerAccount };

    const cluster = { name: names.managerRole, component };
    this.clusterRole = clusterRole(this, install, "manager", { ...cluster, rules: clusterRules(input) });
    bindEverywhere(this, install, "manager-binding", { ...cluster, role: cluster.name }, [account]);

    this.workloadRoles = grantWhere(
      this,
      install,
      "workloads",
      manager.workloadNamespaces,
      { name: names.workloadRole, component, rules: WORKLOAD_RULES },
      account,
    );

    grantIn(
      this,
      install,
      "leader-election",
      namespace,
      { name: names.leaderElection, component, rules: leaderElectionRules(manager.leaseName) },
      [subject(account)],
    );
  }
}

const READ = ["get", "list", "watch"];

/** Returns the cluster-wide permissions of the manager: it reads workloads, writes its taint on nodes, and reports events. */
export function clusterRules({ engine: { manager }, install: { kueue } }: CedanaInput): V1PolicyRule[] {
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

/** Permissions of a restore in the namespace of a workload. */
export const WORKLOAD_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "update", "patch", "delete"] },
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "delete"] },
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["create"] },
];

/** Returns the permissions of leader election. Kubernetes cannot limit `create` to a name, hence the separate rule. */
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

/** Permissions of the metrics proxy, which authenticates and authorizes clients by the API server. */
export const METRICS_PROXY_RULES: V1PolicyRule[] = [
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
];

export const METRICS_READER_RULES: V1PolicyRule[] = [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }];

/** Returns the permissions of a Dynamo watcher in the namespaces of its graphs. It writes Services only for load balancers. */
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
