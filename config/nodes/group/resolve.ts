import { resolve } from "../../schema";
import { checkNodeGroup, type NodeGroupContext } from "./check";
import { nodeGroupSchema, type NodeGroupSpec, type ResolvedNodeGroup } from "./schema";

/**
 * The group with its defaults.
 * @param subject what errors call the group, for instance a construct path
 * @throws InvalidInputError with all problems
 */
export function resolveNodeGroup(
  subject: string,
  spec: NodeGroupSpec,
  context: NodeGroupContext,
): ResolvedNodeGroup {
  return resolve(subject, nodeGroupSchema, spec, (group) => checkNodeGroup(group, context));
}
