import * as v from "valibot";
import { givenOrNew } from "../schema/existing-or-new";
import { clusterName, described, integer, oneOf, pattern, region, rule, shape } from "../schema";
import { ipv4Cidr } from "./cidr";
import { MAX_ZONES, VPC_PREFIX } from "./subnets";

const vpcId = pattern(/^vpc-[0-9a-f]{8,17}$/, {
  code: "not-a-vpc-id",
  message: "is not the id of a VPC",
  allowed: "vpc- and 8 or 17 hexadecimal digits",
});

export const subnetId = pattern(/^subnet-[0-9a-f]{8,17}$/, {
  code: "not-a-subnet-id",
  message: "is not the id of a subnet",
  allowed: "subnet- and 8 or 17 hexadecimal digits",
});

export const securityGroupId = pattern(/^sg-[0-9a-f]{8,17}$/, {
  code: "not-a-security-group-id",
  message: "is not the id of a security group",
  allowed: "sg- and 8 or 17 hexadecimal digits",
});

const zoneName = pattern(/^[a-z]{2,3}(-[a-z]+)+-\d[a-z]$/, {
  code: "not-a-zone",
  message: "is not the name of an availability zone",
  allowed: "a name such as eu-west-1a",
});

const serviceName = pattern(/^[a-z0-9][a-z0-9.-]*$/, {
  code: "not-a-service-name",
  message: "is not the short name of an AWS service",
  allowed: "the last part of the endpoint service's name, such as ecr.api or sts; or all of it",
});

const reservedCidrs = described(
  v.optional(v.array(ipv4Cidr()), []),
  "Blocks that pods must reach outside the VPC (peered or on premises). Overlaps with them are refused.",
);

/** A VPC made for the cluster. */
export const newNetworkSchema = shape({
  cidr: described(
    v.optional(ipv4Cidr(VPC_PREFIX.shortest, VPC_PREFIX.longest), "10.0.0.0/16"),
    "IPv4 block of the VPC. Each zone's private subnet gets an eighth of it, each public one a sixty-fourth.",
  ),
  availabilityZones: described(
    v.optional(oneOf([integer(2, MAX_ZONES), v.array(zoneName)]), 3),
    "How many availability zones to use (the region's first ones by name), or their names. Only ever add to the end of the list: the place of a zone decides its subnets' addresses.",
  ),
  publicSubnets: described(
    v.optional(v.boolean(), true),
    "Whether each zone gets a public subnet, for NAT gateways and internet-facing load balancers. Nodes never run there.",
  ),
  natGateways: described(
    v.optional(v.picklist(["none", "one", "perZone"]), "perZone"),
    "How private subnets reach the internet over IPv4: one NAT gateway in each zone, one for all (cheaper; its zone takes the others down), or not at all.",
  ),
  s3Endpoint: described(
    v.optional(v.boolean(), true),
    "Whether traffic to S3 leaves through a gateway endpoint: free, and checkpoints then never pass a NAT gateway.",
  ),
  interfaceEndpoints: described(
    v.optional(v.array(serviceName), []),
    "Services to reach through endpoints inside the VPC, such as ecr.api, ecr.dkr, eks, eks-auth, ec2, sts, logs, sqs. A cluster without NAT gateways needs them. A whole name (com.amazonaws...) is taken as it is.",
  ),
  reservedCidrs,
});

/** Subnets that exist already. */
export const givenNetworkSchema = shape({
  vpcId: described(vpcId, "VPC that the subnets are in."),
  privateSubnetIds: described(
    v.pipe(
      v.array(subnetId),
      rule<string[]>({
        code: "too-few",
        test: (ids) => ids.length >= 2,
        message: "is too short a list",
        allowed: "at least 2 subnets; EKS places its control plane in two availability zones",
      }),
    ),
    "Subnets of nodes and control plane, in at least two availability zones.",
  ),
  publicSubnetIds: described(
    v.optional(v.array(subnetId), []),
    "Subnets of internet-facing load balancers. Not used by the cluster itself.",
  ),
  cidr: described(
    v.optional(ipv4Cidr()),
    "IPv4 block of the VPC. Not looked up: give it, and overlaps with the service block are refused.",
  ),
  reservedCidrs,
});

/** The construct's own input: what a new network must know of the cluster it is for. */
export const networkPropsSchema = shape({
  ...newNetworkSchema.entries,
  clusterName: described(
    clusterName,
    "Name of the cluster: begins the names of all parts, and is the value of Karpenter's discovery tag.",
  ),
  region: described(region, "AWS region, as the provider has it. A plain value."),
  ipFamily: described(
    v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"),
    "ipv6 adds an IPv6 block, IPv6 subnets and an egress-only gateway.",
  ),
});

export const networkSchema = givenOrNew("vpcId", givenNetworkSchema, newNetworkSchema);

export interface NewNetworkSpec extends v.InferInput<typeof newNetworkSchema> {}
export interface GivenNetworkSpec extends v.InferInput<typeof givenNetworkSchema> {}
export interface NetworkPropsSpec extends v.InferInput<typeof networkPropsSchema> {}
/** A VPC to make, or subnets that exist. */
export type NetworkSpec = NewNetworkSpec | GivenNetworkSpec;
export type ResolvedNewNetwork = v.InferOutput<typeof newNetworkSchema>;
export type ResolvedGivenNetwork = v.InferOutput<typeof givenNetworkSchema>;
export type ResolvedNetwork = v.InferOutput<typeof networkSchema>;

export function isGiven<T extends NetworkSpec | ResolvedNetwork>(
  network: T,
): network is Extract<T, { vpcId: string }> {
  return "vpcId" in network;
}
