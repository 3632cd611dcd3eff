import * as v from "../schema/valibot";
import { duration, quantity } from "../schema/quantity";
import { nodeSettings } from "../nodes/settings";
import {
  derived,
  described,
  dnsLabel,
  dnsSubdomain,
  integer,
  labelKey,
  oneOf,
  pattern,
  mapping,
  shape,
  titled,
} from "../schema";
import type { Problem } from "../schema/problem";
import { isToken } from "../schema/rule";

/** Tag by which Karpenter finds subnets and security groups of a cluster. */
export const DISCOVERY_TAG = "karpenter.sh/discovery";

const selector = v.pipe(
  v.array(
    oneOf([
      titled(shape({ id: described(v.string(), "Id of the resource.") }), "an id"),
      titled(
        shape({
          tags: described(
            mapping(v.string(), v.string()),
            "Tags of the resources. Resources with all of these tags are selected.",
          ),
        }),
        "tags",
      ),
    ]),
  ),
  v.minLength(1),
  v.maxLength(30),
);

const requirementSchema = shape({
  key: described(
    labelKey,
    "Label, such as karpenter.k8s.aws/instance-gpu-count or topology.kubernetes.io/zone.",
  ),
  operator: described(
    v.picklist(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"]),
    "Operator that compares the label with the values.",
  ),
  values: described(derived(v.array(v.string()), "none"), "Values to compare with."),
  minValues: described(
    derived(integer(1, 50), "no minimum"),
    "Minimum number of distinct values of the label among the instance types.",
  ),
});

const budgetSchema = shape({
  nodes: described(
    pattern(/^((100|[0-9]{1,2})%|[0-9]+)$/, {
      code: "invalid-disruption-budget",
      message: "is not a number or percentage of nodes",
      allowed: '"2" or "10%"',
    }),
    "Number or percentage of nodes that may be disrupted at a time.",
  ),
  reasons: described(
    derived(v.array(v.picklist(["Underutilized", "Empty", "Drifted"])), "all"),
    "Reasons that the budget applies to.",
  ),
  schedule: described(
    derived(v.string(), "always"),
    "Start of the budget: a cron expression in UTC. Requires duration.",
  ),
  duration: described(
    derived(duration, "always"),
    "How long the budget applies from each start. Requires schedule.",
  ),
});

const never = oneOf([v.literal("Never"), duration]);

/** Describes a NodePool and its EC2NodeClass. */
export const nodePoolSchema = shape({
  name: described(dnsLabel, "Name of the NodePool and of its EC2NodeClass."),
  amiVersion: described(
    pattern(/^v\d{8}$/, {
      code: "invalid-ami-release",
      message: "is not a release of the EKS AMI",
      allowed:
        "a release such as v20260714; not latest, which replaces nodes whenever AWS publishes a release",
    }),
    "Release of the EKS optimized AL2023 AMI.",
  ),
  capacityTypes: described(
    v.optional(v.pipe(v.array(v.picklist(["on-demand", "spot", "reserved"])), v.minLength(1)), ["on-demand"]),
    "Purchase options of the instances.",
  ),
  capacityReservations: described(
    derived(selector, "none"),
    "Capacity reservations to start instances in. Required for the capacity type reserved.",
  ),
  requirements: described(
    v.optional(v.array(requirementSchema), []),
    "Additional requirements for instances.",
  ),
  subnets: described(
    derived(selector, "the tag karpenter.sh/discovery=<cluster>"),
    "Selects the subnets of the nodes.",
  ),
  securityGroups: described(
    derived(selector, "the tag karpenter.sh/discovery=<cluster>"),
    "Selects the security groups of the nodes.",
  ),
  limits: described(
    v.optional(mapping(v.string(), quantity), {}),
    'Maximum total resources of the pool, such as {cpu: "1000", nvidia.com/gpu: "64"}.',
  ),
  weight: described(
    derived(integer(1, 100), "0, Karpenter's default"),
    "Weight of the pool. Karpenter prefers pools with a higher weight.",
  ),
  expireAfter: described(
    v.optional(never, "720h"),
    "Age at which a node is replaced, even if pods are running on it.",
  ),
  terminationGracePeriod: described(
    v.optional(duration, "20m"),
    "Maximum duration of a node's drain. At least the kubelet's runtimeRequestTimeout, the longest duration of a checkpoint.",
  ),
  disruption: described(
    v.optional(
      shape({
        consolidationPolicy: described(
          v.optional(v.picklist(["WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced"]), "WhenEmpty"),
          "When nodes are removed to save cost. WhenEmpty does not disrupt running pods.",
        ),
        consolidateAfter: described(
          v.optional(never, "5m"),
          "How long a node must be empty or underutilized before it is removed.",
        ),
        budgets: described(
          derived(
            v.pipe(v.array(budgetSchema), v.maxLength(50)),
            "10%; with an accelerator, at most one drifted node",
          ),
          "How many nodes may be disrupted at a time.",
        ),
      }),
      {},
    ),
    "When Karpenter may remove or replace nodes.",
  ),
  ...nodeSettings,
});

/** Describes the interruption queue. */
export const interruptionQueueSchema = shape({
  name: described(
    pattern(/^[\w-]{1,80}$/, {
      code: "invalid-queue-name",
      message: "is not a valid SQS queue name",
      allowed: "up to 80 letters, digits, - and _",
    }),
    "Name of the queue.",
  ),
});

/** Describes Karpenter on a cluster: its AWS resources (roles, queue) and its pools. */
export const karpenterSchema = shape({
  namespace: described(v.optional(dnsLabel, "kube-system"), "Namespace of the Karpenter controller."),
  serviceAccount: described(
    v.optional(dnsSubdomain, "karpenter"),
    "ServiceAccount of the Karpenter controller.",
  ),
  nodeRoleName: described(
    derived(
      pattern(/^[\w+=,.@-]{1,64}$/, {
        code: "invalid-role-name",
        message: "is not a valid IAM role name",
        allowed: "up to 64 letters, digits and +=,.@_-",
      }),
      karpenterNodeRoleName("<cluster>"),
    ),
    "Name of the nodes' IAM role. EC2NodeClasses refer to it.",
  ),
  ssm: described(v.optional(v.boolean(), false), "Whether Session Manager has access to the nodes."),
  nodePools: described(v.optional(v.array(nodePoolSchema), []), "Pools of nodes."),
});

/** Input of Karpenter. */
export interface KarpenterSpec extends v.InferInput<typeof karpenterSchema> {}
export type ResolvedKarpenter = v.InferOutput<typeof karpenterSchema>;
/** Input of one pool. */
export interface NodePoolSpec extends v.InferInput<typeof nodePoolSchema> {}
export type ResolvedNodePool = v.InferOutput<typeof nodePoolSchema>;
/** Input of an interruption queue. */
export interface InterruptionQueueSpec extends v.InferInput<typeof interruptionQueueSchema> {}

/** Maximum length of the name of an IAM role. */
const ROLE_MAX = 64;
/** Maximum length of the name of an SQS queue. */
const QUEUE_MAX = 80;

/** Returns the name of the nodes' role. The AWS side and the Kubernetes side derive it from the cluster's name. */
export function karpenterNodeRoleName(clusterName: string): string {
  return `${clusterName}-karpenter-node`;
}

/** Returns the name of the interruption queue, for the setting `interruptionQueue` of Karpenter's controller. */
export function interruptionQueueName(clusterName: string): string {
  return `${clusterName}-karpenter`;
}

/** Checks the length of the names that are derived from the cluster's name. */
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
      message: "is too long for an IAM role name",
      given: role,
      allowed: `up to ${ROLE_MAX} characters`,
      remedy: "set a shorter nodeRoleName, or choose a shorter cluster name",
    });
  }
  const queue = interruptionQueueName(clusterName);
  if (queue.length > QUEUE_MAX) {
    problems.push({
      code: "name-too-long",
      path: [],
      message: "would need a queue name that is too long for SQS",
      given: queue,
      allowed: `up to ${QUEUE_MAX} characters`,
      remedy: "choose a shorter cluster name",
    });
  }
  return problems;
}
