import { Fn } from "cdktf";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import type { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { Construct } from "constructs";

/** Public subnets use the IPv6 blocks from this index on, private ones from 0, so they never overlap. */
const FIRST_PUBLIC_IPV6 = 8;

export interface SubnetProps {
  readonly vpc: Vpc;
  /** Set for a public subnet: all of them share one table. A private subnet gets its own. */
  readonly routeTable?: RouteTable;
  readonly index: number;
  readonly cidr: string;
  readonly zone: string;
  readonly ipv6: boolean;
  readonly tags: Record<string, string>;
}

/** A subnet and its association with a route table. */
export class ZoneSubnet extends Construct {
  readonly subnet: Subnet;
  readonly routeTable: RouteTable;
  readonly association: RouteTableAssociation;

  constructor(scope: Construct, id: string, props: SubnetProps) {
    super(scope, id);
    const isPublic = props.routeTable !== undefined;
    const block = (isPublic ? FIRST_PUBLIC_IPV6 : 0) + props.index;
    this.subnet = new Subnet(this, "subnet", {
      vpcId: props.vpc.id,
      cidrBlock: props.cidr,
      availabilityZone: props.zone,
      tags: props.tags,
      ...(props.ipv6
        ? {
            ipv6CidrBlock: Fn.cidrsubnet(props.vpc.ipv6CidrBlock, 8, block),
            assignIpv6AddressOnCreation: true,
          }
        : {}),
    });
    this.routeTable =
      props.routeTable ??
      new RouteTable(this, "routes", {
        vpcId: props.vpc.id,
        tags: { Name: props.tags["Name"] ?? id },
      });
    this.association = new RouteTableAssociation(this, "association", {
      subnetId: this.subnet.id,
      routeTableId: this.routeTable.id,
    });
  }
}
