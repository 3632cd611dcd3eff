export { checkNodeGroup, resolveNodeGroup } from "./check";
export {
  customAmiOf,
  nodeGroupSchema,
  type CustomAmi,
  type NodeGroupSpec,
  type ResolvedNodeGroup,
} from "./schema";
