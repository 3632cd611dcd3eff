import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

const API = "kueue.x-k8s.io/v1beta2";

/**
 * Queues of Kueue (0.16 and later) for workloads that are checkpointed: flavors of nodes that have the agent, one
 * ClusterQueue in which a more urgent workload preempts a less urgent one, and a LocalQueue in each namespace of
 * workloads. None are made with `kueue: false`.
 */
export class KueueQueues extends Construct {
  readonly flavors: readonly ApiObject[] = [];
  readonly clusterQueue?: ApiObject;
  readonly localQueues: readonly ApiObject[] = [];

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const { kueue } = install;
    if (!kueue) return;
    const about = { component: "kueue" };
    this.flavors = kueue.flavors.map(({ name, nodeLabels = install.nodeSelector, nodeTaints, tolerations }) =>
      object(this, `flavor-${name}`, {
        apiVersion: API,
        kind: "ResourceFlavor",
        metadata: metadata(install, { ...about, name }),
        spec: {
          nodeLabels,
          ...(nodeTaints.length === 0 ? {} : { nodeTaints }),
          ...(tolerations.length === 0 ? {} : { tolerations }),
        },
      }),
    );
    this.clusterQueue = object(this, "cluster-queue", {
      apiVersion: API,
      kind: "ClusterQueue",
      metadata: metadata(install, { ...about, name: kueue.clusterQueue }),
      spec: {
        ...(kueue.cohortName === undefined ? {} : { cohortName: kueue.cohortName }),
        namespaceSelector:
          Object.keys(kueue.namespaceSelector).length === 0 ? {} : { matchLabels: kueue.namespaceSelector },
        preemption: kueue.preemption,
        resourceGroups: [
          {
            coveredResources: Object.keys(kueue.flavors[0]?.quotas ?? {}),
            flavors: kueue.flavors.map(({ name, quotas }) => ({
              name,
              // Kueue wants the resources in the order in which the group names them.
              resources: Object.keys(kueue.flavors[0]?.quotas ?? {}).map((resource) => ({
                name: resource,
                nominalQuota: quotas[resource],
              })),
            })),
          },
        ],
      },
    });
    this.localQueues = kueue.localQueues.map(({ name, namespace }) =>
      object(this, `local-queue-${namespace}.${name}`, {
        apiVersion: API,
        kind: "LocalQueue",
        metadata: metadata(install, { ...about, name, namespace }),
        spec: { clusterQueue: kueue.clusterQueue },
      }),
    );
  }
}
