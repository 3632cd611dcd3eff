/** VPC and subnets of a cluster, and arithmetic on IPv4 CIDR blocks. */
export { checkNetwork } from "./check";
export { anyCidr, ipv4Cidr, overlap, within, layOutSubnets, type ZoneSubnets } from "./cidr";
export {
  existingNetworkSchema,
  isExistingNetwork,
  networkPropsSchema,
  networkSchema,
  newNetworkSchema,
  securityGroupId,
  subnetId,
  type ExistingNetworkSpec,
  type NetworkPropsSpec,
  type NetworkSpec,
  type NewNetworkSpec,
  type ResolvedExistingNetwork,
  type ResolvedNetwork,
  type ResolvedNewNetwork,
} from "./schema";
