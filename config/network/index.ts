/** VPC and subnets of a cluster, and arithmetic on IPv4 CIDR blocks. */
export { checkNetwork } from "./check";
export { anyCidr, ipv4Cidr, overlap, within, layOutSubnets, type ZoneSubnets } from "./cidr";
export {
  givenNetworkSchema,
  isGiven,
  networkPropsSchema,
  networkSchema,
  newNetworkSchema,
  securityGroupId,
  subnetId,
  type GivenNetworkSpec,
  type NetworkPropsSpec,
  type NetworkSpec,
  type NewNetworkSpec,
  type ResolvedGivenNetwork,
  type ResolvedNetwork,
  type ResolvedNewNetwork,
} from "./schema";
