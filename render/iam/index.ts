/** IAM and ECR policy documents, as plain objects. */
export {
  type StorePlace,
  bucketArn,
  readStatements,
  readWriteStatements,
  tlsOnlyStatement,
  checkStatements,
  deleteStatements,
  expirePolicy,
  keepLastPolicy,
  othersDenied,
  pullStatements,
  pushStatements,
  repositoryArnOf,
  uploadStatements,
} from "./stores";
export {
  clusterTrust,
  cniIpv6Statements,
  secretsKeyStatement,
  INTERRUPTION_EVENTS,
  interruptionQueueStatements,
  podIdentityTrust,
} from "./cluster";
export { type ControllerPolicyProps, controllerPolicies } from "./karpenter";
