import type { ITerraformDependable } from "cdktf";

/** What a cluster needs of a network, whether it was made here or existed before. */
export interface INetwork {
  readonly vpcId: string;
  /** Subnets of nodes and control plane. */
  readonly privateSubnetIds: string[];
  /** Subnets of internet-facing load balancers; may be empty. */
  readonly publicSubnetIds: string[];
  /** What must exist before a node can reach anything: routes and endpoints. Empty for given subnets. */
  readonly ready: ITerraformDependable[];
}
