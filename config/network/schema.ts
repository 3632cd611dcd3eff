import * as v from "../schema/valibot";
import { existingOrNew } from "../schema/shape";
import {
  clusterName,
  derived,
  described,
  integer,
  oneOf,
  pattern,
  region,
  rule,
  shape,
  titled,
} from "../schema";
import { ipv4Cidr, MAX_ZONES, VPC_PREFIX } from "./cidr";

const vpcId = pattern(/^vpc-[0-9a-f]{8,17}$/, {
  code: "invalid-vpc-id",
  message: "is not a VPC id",
  allowed: "vpc- and 8 or 17 hexadecimal digits",
});

export const subnetId = pattern(/^subnet-[0-9a-f]{8,17}$/, {
  code: "invalid-subnet-id",
  message: "is not a subnet id",
  allowed: "subnet- and 8 or 17 hexadecimal digits",
});

export const securityGroupId = pattern(/^sg-[0-9a-f]{8,17}$/, {
  code: "invalid-security-group-id",
  message: "is not a security group id",
  allowed: "sg- and 8 or 17 hexadecimal digits",
});

const zoneName = pattern(/^[a-z]{2,3}(-[a-z]+)+-\d[a-z]$/, {
  code: "invalid-availability-zone",
  message: "is not the name of an availability zone",
  allowed: "a name such as eu-west-1a",
});

const serviceName = pattern(/^[a-z0-9][a-z0-9.-]*$/, {
  code: "invalid-service-name",
  message: "is not the name of an AWS service",
  allowed: "a short name such as ecr.api or sts, or a full one such as com.amazonaws.eu-west-1.sts",
});

const reservedCidrs = described(
  v.optional(v.array(ipv4Cidr()), []),
  "CIDR blocks outside the VPC that pods must reach (peered or on premises). They must not overlap with those of the cluster.",
);

const newNetwork = shape({
  cidr: described(
    v.optional(ipv4Cidr(VPC_PREFIX.shortest, VPC_PREFIX.longest), "10.0.0.0/16"),
    "IPv4 CIDR block of the VPC. Each zone gets 1/8 of it for the private subnet and 1/64 for the public subnet.",
  ),
  availabilityZones: described(
    v.optional(oneOf([integer(2, MAX_ZONES), v.array(zoneName)]), 3),
    "Number of availability zones (the first ones of the region, sorted by name), or their names. Add names only at the end of the list: the position of a zone determines the addresses of its subnets.",
  ),
  publicSubnets: described(
    v.optional(v.boolean(), true),
    "Whether each zone gets a public subnet, for NAT gateways and internet-facing load balancers. Nodes never run in it.",
  ),
  natGateways: described(
    v.optional(v.picklist(["none", "one", "perZone"]), "perZone"),
    "NAT gateways, through which private subnets reach the internet over IPv4. perZone: one in each zone. one: a single one, which is cheaper, but if its zone fails, no zone reaches the internet. none: no internet access.",
  ),
  s3Endpoint: described(
    v.optional(v.boolean(), true),
    "Whether traffic to S3 uses a gateway endpoint. It is free, and traffic of checkpoints bypasses the NAT gateways.",
  ),
  interfaceEndpoints: described(
    v.optional(v.array(serviceName), []),
    "AWS services with an interface endpoint in the VPC, such as ecr.api, ecr.dkr, eks, eks-auth, ec2, sts, logs, sqs, or full service names (com.amazonaws...). A cluster without NAT gateways requires them.",
  ),
  reservedCidrs,
});

/** Describes a new VPC for the cluster. */
export const newNetworkSchema = titled(newNetwork, "a new VPC");

const existingSubnets = shape({
  vpcId: described(vpcId, "VPC of the subnets."),
  privateSubnetIds: described(
    v.pipe(
      v.array(subnetId),
      rule<string[]>({
        code: "wrong-length",
        test: (ids) => ids.length >= 2,
        message: "has too few subnets",
        allowed: "at least 2 subnets; EKS places its control plane in two availability zones",
      }),
    ),
    "Subnets of nodes and control plane, in at least two availability zones.",
  ),
  publicSubnetIds: described(
    v.optional(v.array(subnetId), []),
    "Subnets of internet-facing load balancers. The cluster itself does not use them.",
  ),
  cidr: described(
    derived(ipv4Cidr(), "not checked"),
    "IPv4 CIDR block of the VPC. It is only used to check that the CIDR block of Services does not overlap with it.",
  ),
  reservedCidrs,
});

/** Describes existing subnets for the cluster. */
export const existingNetworkSchema = titled(existingSubnets, "existing subnets");

/** Describes the props of the construct: a new network and its cluster. */
export const networkPropsSchema = shape({
  ...newNetwork.entries,
  clusterName: described(
    clusterName,
    "Name of the cluster. It is the prefix of resource names, and the value of Karpenter's discovery tag.",
  ),
  region: described(region, "AWS region of the provider. Must be a literal value, not a Terraform token."),
  ipFamily: described(
    v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"),
    "IP family. ipv6 adds an IPv6 block, IPv6 subnets and an egress-only gateway.",
  ),
});

export const networkSchema = existingOrNew("vpcId", existingNetworkSchema, newNetworkSchema);

export interface NewNetworkSpec extends v.InferInput<typeof newNetworkSchema> {}
export interface ExistingNetworkSpec extends v.InferInput<typeof existingNetworkSchema> {}
export interface NetworkPropsSpec extends v.InferInput<typeof networkPropsSchema> {}
/** A new VPC, or existing subnets. */
export type NetworkSpec = NewNetworkSpec | ExistingNetworkSpec;
export type ResolvedNewNetwork = v.InferOutput<typeof newNetworkSchema>;
export type ResolvedExistingNetwork = v.InferOutput<typeof existingNetworkSchema>;
export type ResolvedNetwork = v.InferOutput<typeof networkSchema>;

/** Returns whether the network consists of existing subnets. */
export function isExistingNetwork<T extends NetworkSpec | ResolvedNetwork>(
  network: T,
): network is Extract<T, { vpcId: string }> {
  return "vpcId" in network;
}
