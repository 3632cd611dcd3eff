import { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { existingClusterVersion } from "../../../../config/cluster";
import {
  checkKarpenter,
  karpenterSchema,
  type KarpenterSpec,
  type ResolvedNodePool,
} from "../../../../config/karpenter";
import { ec2NodeClassManifest, nodePoolManifest } from "../../../../render";
import { check, resolve, under } from "../../../../config/schema";

export interface NodePoolsProps extends KarpenterSpec {
  /** Name of the EKS cluster: names of roles and discovery tags come from it. */
  readonly clusterName: string;
  /** Kubernetes minor of the cluster: `1.35`. */
  readonly kubernetesVersion: string;
}

/** The objects of one pool. */
export interface PoolObjects {
  readonly nodeClass: ApiObject;
  readonly nodePool: ApiObject;
}

/**
 * Karpenter's NodePools and their EC2NodeClasses, whose nodes support checkpoints. Karpenter 1.x must be
 * installed. Its AWS side is `Karpenter` of `cedana-cdk/aws/karpenter`, from the same input.
 * @throws InvalidInputError with all problems of the input
 */
export class NodePools extends Construct {
  /** By the name of the pool. */
  readonly pools: ReadonlyMap<string, PoolObjects>;

  constructor(scope: Construct, id: string, props: NodePoolsProps) {
    super(scope, id);
    const { clusterName, kubernetesVersion, ...input } = props;
    const { nodePools, nodeRoleName } = resolve(this.node.path, karpenterSchema, input, (value) => {
      const { problems } = check(existingClusterVersion, kubernetesVersion);
      return problems ? under(["kubernetesVersion"], problems) : checkKarpenter(value, { kubernetesVersion });
    });
    const context = { clusterName, nodeRoleName };
    this.pools = new Map(nodePools.map((pool) => [pool.name, this.make(pool, context)]));
  }

  private make(
    pool: ResolvedNodePool,
    context: { readonly clusterName: string; readonly nodeRoleName?: string },
  ): PoolObjects {
    const scope = new Construct(this, pool.name);
    return {
      nodeClass: new ApiObject(scope, "node-class", ec2NodeClassManifest(pool, context)),
      nodePool: new ApiObject(scope, "node-pool", nodePoolManifest(pool)),
    };
  }
}
