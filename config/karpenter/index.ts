export { checkKarpenter, checkNodePool } from "./check";
export {
  checkKarpenterNames,
  interruptionQueueName,
  karpenterNodeRoleName,
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
