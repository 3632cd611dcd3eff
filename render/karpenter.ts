/** Renders the NodePool (karpenter.sh/v1) and EC2NodeClass (karpenter.k8s.aws/v1) of a pool. */
import { instanceFacts, startupTaintOf, toKarpenterTaint } from "../config/nodes";
import { renderUserData } from "./user-data/check";
import { KARPENTER_KUBELET_FIELDS, nodeLabels } from "./user-data/user-data";
import { DISCOVERY_TAG, type ResolvedNodePool, karpenterNodeRoleName } from "../config/karpenter";

/** Names that the manifests of a pool need. */
export interface PoolContext {
  readonly clusterName: string;
  /** Default: the name of the role on the AWS side. */
  readonly nodeRoleName?: string;
}

/** Returns the EC2NodeClass: AMI, network, disk and user data. */
export function ec2NodeClassManifest(pool: ResolvedNodePool, { clusterName, nodeRoleName }: PoolContext) {
  const discovery = [{ tags: { [DISCOVERY_TAG]: clusterName } }];
  const { sizeGiB, type, iops, throughputMiBps, kmsKeyArn } = pool.rootVolume;
  const userData = renderUserData(pool, { mode: "karpenter" });
  const kubelet = karpenterKubelet(pool);
  return {
    apiVersion: "karpenter.k8s.aws/v1",
    kind: "EC2NodeClass",
    metadata: { name: pool.name },
    spec: {
      amiSelectorTerms: [{ alias: `al2023@${pool.amiVersion}` }],
      role: nodeRoleName ?? karpenterNodeRoleName(clusterName),
      subnetSelectorTerms: pool.subnets ?? discovery,
      securityGroupSelectorTerms: pool.securityGroups ?? discovery,
      ...(pool.capacityReservations === undefined
        ? {}
        : { capacityReservationSelectorTerms: pool.capacityReservations }),
      blockDeviceMappings: [
        {
          deviceName: "/dev/xvda",
          rootVolume: true,
          ebs: {
            volumeSize: `${sizeGiB}Gi`,
            volumeType: type,
            ...(iops === undefined ? {} : { iops }),
            ...(throughputMiBps === undefined ? {} : { throughput: throughputMiBps }),
            encrypted: true,
            ...(kmsKeyArn === undefined ? {} : { kmsKeyID: kmsKeyArn }),
            deleteOnTermination: true,
          },
        },
      ],
      metadataOptions: {
        httpEndpoint: "enabled",
        httpProtocolIPv6: "disabled",
        httpPutResponseHopLimit: pool.metadataOptions.httpPutResponseHopLimit,
        httpTokens: "required",
      },
      ...(pool.instance.localStorage === undefined ? {} : { instanceStorePolicy: "RAID0" }),
      ...(Object.keys(kubelet).length === 0 ? {} : { kubelet }),
      ...(Object.keys(pool.tags).length === 0 ? {} : { tags: pool.tags }),
      ...(userData === undefined ? {} : { userData }),
    },
  };
}

/** Returns the NodePool: instances, labels, taints and disruption. */
export function nodePoolManifest(pool: ResolvedNodePool) {
  const { architecture } = instanceFacts(pool);
  const startup = startupTaintOf(pool);
  const isIn = (key: string, values: readonly string[]) => ({ key, operator: "In", values: [...values] });
  return {
    apiVersion: "karpenter.sh/v1",
    kind: "NodePool",
    metadata: { name: pool.name },
    spec: {
      template: {
        metadata: { labels: nodeLabels(pool) },
        spec: {
          nodeClassRef: { group: "karpenter.k8s.aws", kind: "EC2NodeClass", name: pool.name },
          requirements: [
            isIn("kubernetes.io/os", ["linux"]),
            isIn("kubernetes.io/arch", [architecture === "x86_64" ? "amd64" : "arm64"]),
            isIn("karpenter.sh/capacity-type", pool.capacityTypes),
            isIn("node.kubernetes.io/instance-type", pool.instanceTypes),
            ...pool.requirements,
          ],
          ...(pool.taints.length > 0 ? { taints: pool.taints.map(toKarpenterTaint) } : {}),
          // Without the declaration Karpenter counts a gated node as full and starts more.
          ...(startup ? { startupTaints: [toKarpenterTaint(startup)] } : {}),
          expireAfter: pool.expireAfter,
          terminationGracePeriod: pool.terminationGracePeriod,
        },
      },
      disruption: {
        consolidationPolicy: pool.disruption.consolidationPolicy,
        consolidateAfter: pool.disruption.consolidateAfter,
        budgets: pool.disruption.budgets ?? defaultBudgets(pool),
      },
      ...(Object.keys(pool.limits).length > 0 ? { limits: pool.limits } : {}),
      ...(pool.weight === undefined ? {} : { weight: pool.weight }),
    },
  };
}

/** Returns the default budgets. Nodes with accelerators are expensive: at most one drifted node is replaced at a time. */
function defaultBudgets(pool: ResolvedNodePool): object[] {
  const any = { nodes: "10%" };
  return instanceFacts(pool).accelerator === "none" ? [any] : [any, { nodes: "1", reasons: ["Drifted"] }];
}

function karpenterKubelet({ kubelet }: ResolvedNodePool): Record<string, unknown> {
  const config = kubelet.config ?? {};
  return Object.fromEntries(
    KARPENTER_KUBELET_FIELDS.flatMap((field) =>
      config[field] === undefined ? [] : [[field, config[field]]],
    ),
  );
}
