/** The VPC and subnets of a cluster, and IPv4 address arithmetic. */
export { checkNetwork } from "./check";
export { anyCidr, ipv4Cidr, overlap, within } from "./cidr";
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
export { layOutSubnets, type ZoneSubnets } from "./subnets";
