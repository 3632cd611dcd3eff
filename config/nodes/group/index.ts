export { checkNodeGroup } from "./check";
export {
  customAmiOf,
  nodeGroupSchema,
  type CustomAmi,
  type NodeGroupSpec,
  type ResolvedNodeGroup,
} from "./schema";
export { resolveNodeGroup } from "./resolve";
