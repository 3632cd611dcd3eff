import type { ITerraformDependable } from "cdktf";

/** A new or existing network, as a cluster uses it. */
export interface INetwork {
  /** VPC of the subnets. */
  readonly vpcId: string;
  /** Subnets of nodes and control plane. */
  readonly privateSubnetIds: string[];
  /** Subnets of internet-facing load balancers; may be empty. */
  readonly publicSubnetIds: string[];
  /** Routes and endpoints that nodes need to reach anything. Empty for existing subnets. */
  readonly ready: ITerraformDependable[];
}
