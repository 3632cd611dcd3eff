/** IAM and ECR policy documents, as plain objects. */
export {
  type StorePlace,
  bucketArn,
  readStatements,
  readWriteStatements,
  tlsOnlyStatement,
} from "./checkpoint-store";
export { cniIpv6Statements, secretsKeyStatement } from "./cluster";
export {
  checkStatements,
  keepLastPolicy,
  pullStatements,
  pushStatements,
  repositoryArnOf,
  uploadStatements,
} from "./image-repository";
export { INTERRUPTION_EVENTS, interruptionQueueStatements } from "./interruption-queue";
export { type ControllerPolicyProps, controllerPolicies } from "./karpenter";
export { podIdentityTrust } from "./pod-identity";
