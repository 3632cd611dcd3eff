/** Schemas, checks and names of new and existing EKS clusters. */
export { resolveAddons, type Addon } from "./addons";
export { checkAddressing, checkCluster, checkExistingCluster } from "./check";
export {
  RETENTION_DAYS,
  clusterSchema,
  DEFAULT_SERVICE_CIDR,
  existingClusterSchema,
  type AccessEntry,
  type ClusterSpec,
  type ExistingClusterSpec,
  type ResolvedCluster,
  type ResolvedExistingCluster,
  existingClusterVersion,
  bucketPrefix,
  iamPrefix,
  storeUserName,
} from "./schema";
export { dnsSuffix, partitionOf } from "../region";
