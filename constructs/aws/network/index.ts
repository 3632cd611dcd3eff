import { Fn, Token, type ITerraformDependable } from "cdktf";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { Construct } from "constructs";
import { DataAwsAvailabilityZones } from "@cdktf/provider-aws/lib/data-aws-availability-zones";
import { EgressOnlyInternetGateway } from "@cdktf/provider-aws/lib/egress-only-internet-gateway";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway";
import { NatGateway } from "@cdktf/provider-aws/lib/nat-gateway";
import { Route } from "@cdktf/provider-aws/lib/route";
import {
  checkNetwork,
  existingNetworkSchema,
  layOutSubnets,
  networkPropsSchema,
  type ExistingNetworkSpec,
  type NetworkPropsSpec,
  type ResolvedNewNetwork,
} from "../../../config/network";
import { resolve } from "../../../config/schema";
import { interfaceEndpoints, s3Endpoint } from "./endpoints";

/** Public subnets use the IPv6 blocks from this index on, private ones from 0, so they never overlap. */
const FIRST_PUBLIC_IPV6 = 8;

interface SubnetProps {
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
class ZoneSubnet extends Construct {
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

export interface NetworkProps extends NetworkPropsSpec {}

/**
 * Creates a VPC with one private subnet, and by default one public subnet and one NAT gateway, in each availability zone.
 * Routes are separate resources, so that other stacks can add routes to the same tables.
 * @throws InvalidInputError
 */
export class Network extends Construct implements INetwork {
  /** Uses existing subnets. Nothing is created or looked up. */
  static fromAttributes(scope: Construct, id: string, attributes: ExistingNetworkSpec): INetwork {
    const path = [scope.node.path, id].filter((part) => part !== "").join("/");
    const given = resolve(path, existingNetworkSchema, attributes, (network) => checkNetwork(network));
    return {
      vpcId: given.vpcId,
      privateSubnetIds: given.privateSubnetIds,
      publicSubnetIds: given.publicSubnetIds,
      ready: [],
    };
  }

  readonly vpc: Vpc;
  readonly privateSubnets: ZoneSubnet[];
  readonly publicSubnets: ZoneSubnet[];
  readonly natGateways: NatGateway[];
  readonly ready: ITerraformDependable[];
  private readonly name: string;
  private readonly ipv6: boolean;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const spec = resolve(this.node.path, networkPropsSchema, props, (network) =>
      checkNetwork(network, network),
    );
    this.name = spec.clusterName;
    this.ipv6 = spec.ipFamily === "ipv6";
    this.vpc = new Vpc(this, "vpc", {
      cidrBlock: spec.cidr,
      enableDnsSupport: true,
      enableDnsHostnames: true,
      ...(this.ipv6 ? { assignGeneratedIpv6CidrBlock: true } : {}),
      tags: { Name: this.name },
    });
    const zones = this.zones(spec.availabilityZones);
    const blocks = layOutSubnets(spec.cidr, zones.length);
    const gateway = spec.publicSubnets ? this.internetGateway() : undefined;
    this.publicSubnets = gateway
      ? blocks.map((block, index) =>
          this.subnet("public", index, zones[index]!, block.public, gateway.routeTable),
        )
      : [];
    this.privateSubnets = blocks.map((block, index) =>
      this.subnet("private", index, zones[index]!, block.private),
    );
    this.natGateways = this.makeNatGateways(spec, gateway?.routes ?? []);
    const endpoint = { name: this.name, region: spec.region, vpcId: this.vpc.id };
    const tables = this.privateSubnets.map((zone) => zone.routeTable.id);
    this.ready = [
      ...this.privateSubnets.map((zone) => zone.association),
      ...this.egressRoutes(),
      ...(spec.s3Endpoint ? [s3Endpoint(this, endpoint, tables)] : []),
      ...interfaceEndpoints(
        this,
        { ...endpoint, cidr: spec.cidr, subnetIds: this.privateSubnetIds },
        spec.interfaceEndpoints,
      ),
    ];
  }

  get vpcId(): string {
    return this.vpc.id;
  }

  get privateSubnetIds(): string[] {
    return this.privateSubnets.map((zone) => zone.subnet.id);
  }

  get publicSubnetIds(): string[] {
    return this.publicSubnets.map((zone) => zone.subnet.id);
  }

  /** Returns the zones. Excludes local zones and opt-in zones: EKS cannot place its control plane there. */
  private zones(wanted: ResolvedNewNetwork["availabilityZones"]): string[] {
    if (typeof wanted !== "number") return wanted;
    const zones = new DataAwsAvailabilityZones(this, "zones", {
      state: "available",
      filter: [{ name: "opt-in-status", values: ["opt-in-not-required"] }],
    });
    return Array.from({ length: wanted }, (_, index) => Token.asString(Fn.element(zones.names, index)));
  }

  private internetGateway(): { routeTable: RouteTable; routes: Route[] } {
    const gateway = new InternetGateway(this, "internet-gateway", {
      vpcId: this.vpc.id,
      tags: { Name: this.name },
    });
    const routeTable = new RouteTable(this, "public-routes", {
      vpcId: this.vpc.id,
      tags: { Name: `${this.name}-public` },
    });
    const to = { routeTableId: routeTable.id, gatewayId: gateway.id };
    const routes = [new Route(this, "public-ipv4", { ...to, destinationCidrBlock: "0.0.0.0/0" })];
    if (this.ipv6) routes.push(new Route(this, "public-ipv6", { ...to, destinationIpv6CidrBlock: "::/0" }));
    return { routeTable, routes };
  }

  private subnet(
    kind: "private" | "public",
    index: number,
    zone: string,
    cidr: string,
    routeTable?: RouteTable,
  ): ZoneSubnet {
    const role = kind === "private" ? "kubernetes.io/role/internal-elb" : "kubernetes.io/role/elb";
    return new ZoneSubnet(this, `${kind}-${index}`, {
      vpc: this.vpc,
      ...(routeTable ? { routeTable } : {}),
      index,
      zone,
      cidr,
      ipv6: this.ipv6,
      tags: {
        Name: `${this.name}-${kind}-${index}`,
        [role]: "1",
        ...(kind === "private" ? { "karpenter.sh/discovery": this.name } : {}),
      },
    });
  }

  /** NAT gateways depend on the internet route: without it they are created but reach nothing. */
  private makeNatGateways(spec: ResolvedNewNetwork, routes: Route[]): NatGateway[] {
    const count = { none: 0, one: 1, perZone: this.publicSubnets.length }[spec.natGateways];
    return this.publicSubnets.slice(0, count).map((zone, index) => {
      const tags = { Name: `${this.name}-${index}` };
      const address = new Eip(this, `nat-address-${index}`, { domain: "vpc", tags });
      return new NatGateway(this, `nat-${index}`, {
        allocationId: address.allocationId,
        subnetId: zone.subnet.id,
        tags,
        dependsOn: [...routes, zone.association],
      });
    });
  }

  private egressRoutes(): Route[] {
    const ipv6Gateway = this.ipv6
      ? new EgressOnlyInternetGateway(this, "egress-only-gateway", {
          vpcId: this.vpc.id,
          tags: { Name: this.name },
        })
      : undefined;
    return this.privateSubnets.flatMap((zone, index) => {
      const routeTableId = zone.routeTable.id;
      const routes: Route[] = [];
      const nat = this.natGateways[index] ?? this.natGateways[0];
      if (nat) {
        routes.push(
          new Route(this, `private-ipv4-${index}`, {
            routeTableId,
            destinationCidrBlock: "0.0.0.0/0",
            natGatewayId: nat.id,
          }),
        );
      }
      if (ipv6Gateway) {
        routes.push(
          new Route(this, `private-ipv6-${index}`, {
            routeTableId,
            destinationIpv6CidrBlock: "::/0",
            egressOnlyGatewayId: ipv6Gateway.id,
          }),
        );
      }
      return routes;
    });
  }
}
