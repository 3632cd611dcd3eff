import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { enabled, installOf, type InstallProps } from "../../input";
import { metadata, object } from "../../object";

const API = "kueue.x-k8s.io/v1beta2";

/**
 * Queues of Kueue (0.16 and later) for workloads with checkpoints: flavors of nodes with the agent, a ClusterQueue in which a
 * workload with a higher priority preempts one with a lower priority, and a LocalQueue in each namespace of workloads.
 */
export class KueueQueues extends Construct {
  readonly flavors: readonly ApiObject[];
  readonly clusterQueue: ApiObject;
  readonly localQueues: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const kueue = enabled(this, ["install", "kueue"], install.kueue);
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
              // Kueue requires the resources in the order of the group.
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
