export { checkKarpenter, checkNodePool } from "./check";
export { INTERRUPTION_EVENTS, interruptionQueueStatements } from "./events";
export { checkKarpenterNames, interruptionQueueName, karpenterNodeRoleName } from "./names";
export { controllerPolicies, type ControllerPolicyProps } from "./policy";
export { ec2NodeClassManifest, nodePoolManifest, type PoolContext } from "./render";
export {
  DISCOVERY_TAG,
  interruptionQueueSchema,
  karpenterSchema,
  nodePoolSchema,
  type InterruptionQueueSpec,
  type KarpenterSpec,
  type NodePoolSpec,
  type ResolvedKarpenter,
  type ResolvedNodePool,
} from "./schema";
