import type { Problem } from "../schema/problem";
import { isToken } from "../schema/token";

/** Longest name of an IAM role. */
const ROLE_MAX = 64;
/** Longest name of an SQS queue. */
const QUEUE_MAX = 80;

/** Name of the nodes' role: both sides, Terraform and Kubernetes, derive it from the cluster's name. */
export function karpenterNodeRoleName(clusterName: string): string {
  return `${clusterName}-karpenter-node`;
}

/** Name of the interruption queue, for the controller's setting `interruptionQueue`. */
export function interruptionQueueName(clusterName: string): string {
  return `${clusterName}-karpenter`;
}

/** Names that AWS would refuse for their length. */
export function checkKarpenterNames(
  { nodeRoleName }: { readonly nodeRoleName?: string },
  clusterName: string,
): Problem[] {
  if (isToken(clusterName)) return [];
  const problems: Problem[] = [];
  const role = nodeRoleName ?? karpenterNodeRoleName(clusterName);
  if (role.length > ROLE_MAX) {
    problems.push({
      code: "name-too-long",
      path: ["nodeRoleName"],
      message: "is longer than IAM allows, made from the cluster's name",
      given: role,
      allowed: `up to ${ROLE_MAX} characters`,
      remedy: "give nodeRoleName",
    });
  }
  const queue = interruptionQueueName(clusterName);
  if (queue.length > QUEUE_MAX) {
    problems.push({
      code: "name-too-long",
      path: [],
      message: "needs a queue whose name, made from the cluster's, is longer than SQS allows",
      given: queue,
      allowed: `up to ${QUEUE_MAX} characters`,
      remedy: "choose a shorter name for the cluster",
    });
  }
  return problems;
}
