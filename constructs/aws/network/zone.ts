import { Fn } from "cdktf";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import type { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { Construct } from "constructs";

/** Public subnets take the IPv6 blocks from here on, so that they never meet the private ones, which begin at 0. */
const FIRST_PUBLIC_IPV6 = 8;

export interface SubnetProps {
  readonly vpc: Vpc;
  /** Given for a public subnet, which shares one table with the others; a private one gets its own. */
  readonly routeTable?: RouteTable;
  readonly index: number;
  readonly cidr: string;
  readonly zone: string;
  readonly ipv6: boolean;
  readonly tags: Record<string, string>;
}

/** A subnet and its place in a route table. */
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
