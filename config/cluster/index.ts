/** The EKS cluster: what may be asked of it. */
export { resolveAddons, type Addon } from "./addons";
export { checkAddressing, checkCluster, checkExistingCluster } from "./check";
export { RETENTION_DAYS } from "./log-retention";
export {
  clusterSchema,
  DEFAULT_SERVICE_CIDR,
  existingClusterSchema,
  type AccessEntry,
  type ClusterSpec,
  type ExistingClusterSpec,
  type ResolvedCluster,
  type ResolvedExistingCluster,
} from "./schema";
export { existingClusterVersion } from "./version";
export { bucketPrefix, iamPrefix, storeUserName } from "./names";
export { dnsSuffix, partitionOf } from "./partition";
