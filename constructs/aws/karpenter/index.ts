import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { Ec2Tag } from "@cdktf/provider-aws/lib/ec2-tag";
import { EksAccessEntry } from "@cdktf/provider-aws/lib/eks-access-entry";
import { Construct } from "constructs";
import { partitionOf } from "../../../config/cluster";
import {
  checkKarpenter,
  checkKarpenterNames,
  DISCOVERY_TAG,
  interruptionQueueName,
  karpenterNodeRoleName,
  karpenterSchema,
  type KarpenterSpec,
  type ResolvedKarpenter,
} from "../../../config/karpenter";
import { controllerPolicies } from "../../../render/iam";
import { resolve } from "../../../config/schema";
import type { ICluster } from "../cluster";
import { InterruptionQueue } from "../interruption-queue";
import { NodeRole } from "../node-group";
import { PodIdentity } from "../pod-identity";

export interface KarpenterProps extends KarpenterSpec {
  /** The cluster of the nodes: a `Cluster`, or `Cluster.fromAttributes`. */
  readonly cluster: ICluster;
}

/**
 * Creates what Karpenter needs in AWS: a role for its nodes and the access entry that lets them join, a role for its controller
 * (by Pod Identity, so no annotation on the ServiceAccount), and the interruption queue. The pools themselves are
 * Kubernetes objects: `NodePools` of `cedana-cdk/kubernetes/integrations/karpenter`. Install Karpenter itself by its Helm chart,
 * with `settings.clusterName` and `settings.interruptionQueue`.
 * @throws InvalidInputError with all problems of the input
 */
export class Karpenter extends Construct {
  readonly nodeRole: NodeRole;
  /** Lets instances with the node role join the cluster. */
  readonly accessEntry: EksAccessEntry;
  /** Lets pools find the cluster's security group, which EKS creates. Subnets of `Network` have the same tag. */
  readonly securityGroupTag: Ec2Tag;
  readonly controller: PodIdentity;
  readonly interruptionQueue: InterruptionQueue;

  constructor(scope: Construct, id: string, props: KarpenterProps) {
    super(scope, id);
    const { cluster, ...input } = props;
    const spec = resolve(this.node.path, karpenterSchema, input, (value) => [
      ...checkKarpenter(value, { kubernetesVersion: cluster.version }),
      ...checkKarpenterNames(value, cluster.name),
    ]);
    const { region } = cluster;
    this.nodeRole = new NodeRole(this, "node", {
      name: { name: spec.nodeRoleName ?? karpenterNodeRoleName(cluster.name) },
      region,
      ssm: spec.ssm,
    });
    this.accessEntry = new EksAccessEntry(this, "access", {
      clusterName: cluster.name,
      principalArn: this.nodeRole.role.arn,
      type: "EC2_LINUX",
      dependsOn: [...this.nodeRole.permissions],
    });
    this.securityGroupTag = new Ec2Tag(this, "discovery", {
      resourceId: cluster.securityGroupId,
      key: DISCOVERY_TAG,
      value: cluster.name,
    });
    this.interruptionQueue = new InterruptionQueue(this, "interruption", {
      name: interruptionQueueName(cluster.name),
    });
    this.controller = new PodIdentity(this, "controller", {
      cluster,
      namespace: spec.namespace,
      serviceAccount: spec.serviceAccount,
    });
    const policies = controllerPolicies({
      partition: partitionOf(region),
      region,
      account: new DataAwsCallerIdentity(this, "account").accountId,
      clusterName: cluster.name,
      nodeRoleArn: this.nodeRole.role.arn,
      queueArn: this.interruptionQueue.queue.arn,
      volumeKeyArns: volumeKeys(spec),
    });
    for (const [name, statements] of Object.entries(policies)) this.controller.allow(name, ...statements);
  }
}

function volumeKeys({ nodePools }: ResolvedKarpenter): string[] {
  const keys = nodePools.flatMap(({ rootVolume: { kmsKeyArn } }) =>
    kmsKeyArn === undefined ? [] : [kmsKeyArn],
  );
  return [...new Set(keys)];
}
