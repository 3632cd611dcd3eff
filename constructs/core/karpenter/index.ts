export { checkKarpenter, checkNodePool } from "./check";
export {
  DISCOVERY_TAG,
  karpenterSchema,
  nodePoolSchema,
  type KarpenterSpec,
  type NodePoolSpec,
  type ResolvedKarpenter,
  type ResolvedNodePool,
} from "./schema";
