import * as v from "valibot";
import { duration, quantity } from "../schema/quantity";
import { nodeSettings } from "../nodes/settings";
import { described, dnsLabel, dnsSubdomain, integer, labelKey, oneOf, pattern, shape } from "../schema";

/** Tag by which Karpenter finds subnets and security groups of a cluster. */
export const DISCOVERY_TAG = "karpenter.sh/discovery";

const selector = v.pipe(
  v.array(
    oneOf([
      shape({ id: described(v.string(), "By id.") }),
      shape({ tags: described(v.record(v.string(), v.string()), "By tags, all of which must fit.") }),
    ]),
  ),
  v.minLength(1),
  v.maxLength(30),
);

const requirementSchema = shape({
  key: described(labelKey, "Label: karpenter.k8s.aws/instance-gpu-count, topology.kubernetes.io/zone, ..."),
  operator: described(
    v.picklist(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"]),
    "How label and values are compared.",
  ),
  values: described(v.optional(v.array(v.string())), "Values."),
  minValues: described(v.optional(integer(1, 50)), "How many different values must stay possible."),
});

const budgetSchema = shape({
  nodes: described(
    pattern(/^((100|[0-9]{1,2})%|[0-9]+)$/, {
      code: "not-a-budget",
      message: "is not a number of nodes or a share of them",
      allowed: '"2" or "10%"',
    }),
    "Nodes that may be disrupted at a time.",
  ),
  reasons: described(
    v.optional(v.array(v.picklist(["Underutilized", "Empty", "Drifted"]))),
    "Reasons the budget is for. Default: all.",
  ),
  schedule: described(v.optional(v.string()), "Cron expression in UTC; with duration."),
  duration: described(v.optional(duration), "How long the budget holds from each time of schedule."),
});

const never = oneOf([v.literal("Never"), duration]);

/** A NodePool and the EC2NodeClass that belongs to it. */
export const nodePoolSchema = shape({
  name: described(dnsLabel, "Name of the NodePool and of its EC2NodeClass."),
  amiVersion: described(
    pattern(/^v\d{8}$/, {
      code: "not-pinned",
      message: "is not a release of the EKS AMI",
      allowed:
        "a date such as v20260714; `latest` would replace nodes, and what runs on them, on a day of AWS's choosing",
    }),
    "Release of the AL2023 AMI.",
  ),
  capacityTypes: described(
    v.optional(v.pipe(v.array(v.picklist(["on-demand", "spot", "reserved"])), v.minLength(1)), ["on-demand"]),
    "How capacity may be bought.",
  ),
  capacityReservations: described(
    v.optional(selector),
    "Reservations to start instances in. Required for the capacity type reserved.",
  ),
  requirements: described(v.optional(v.array(requirementSchema), []), "Further requirements on instances."),
  subnets: described(
    v.optional(selector),
    "Subnets. Default: those tagged karpenter.sh/discovery=<cluster>.",
  ),
  securityGroups: described(
    v.optional(selector),
    "Security groups. Default: those tagged karpenter.sh/discovery=<cluster>.",
  ),
  limits: described(
    v.optional(v.record(v.string(), quantity), {}),
    'Most resources of the pool in all: {cpu: "1000", nvidia.com/gpu: "64"}.',
  ),
  weight: described(v.optional(integer(1, 100)), "Pools of greater weight are tried first."),
  expireAfter: described(v.optional(never, "720h"), "Age at which a node is replaced, whatever runs on it."),
  terminationGracePeriod: described(
    v.optional(duration, "20m"),
    "How long a node may drain. At least the longest dump (the kubelet's runtimeRequestTimeout).",
  ),
  disruption: described(
    v.optional(
      shape({
        consolidationPolicy: described(
          v.optional(v.picklist(["WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced"]), "WhenEmpty"),
          "When nodes are given up to save cost. WhenEmpty leaves running work alone.",
        ),
        consolidateAfter: described(v.optional(never, "5m"), "How long a node must have been so."),
        budgets: described(
          v.optional(v.pipe(v.array(budgetSchema), v.maxLength(50))),
          "How many nodes at a time. Default: 10%, and with an accelerator one drifted node.",
        ),
      }),
      {},
    ),
    "When Karpenter may take nodes away.",
  ),
  ...nodeSettings,
});

/** The queue of interruptions by itself. */
export const interruptionQueueSchema = shape({
  name: described(
    pattern(/^[\w-]{1,80}$/, {
      code: "not-a-queue-name",
      message: "is not a name that SQS allows",
      allowed: "up to 80 letters, digits, - and _",
    }),
    "Name of the queue.",
  ),
});

/** Karpenter on a cluster: the AWS side (roles, queue) and the pools. */
export const karpenterSchema = shape({
  namespace: described(
    v.optional(dnsLabel, "kube-system"),
    "Namespace that the Karpenter controller runs in.",
  ),
  serviceAccount: described(v.optional(dnsSubdomain, "karpenter"), "ServiceAccount of the controller."),
  nodeRoleName: described(
    v.optional(
      pattern(/^[\w+=,.@-]{1,64}$/, {
        code: "not-a-role-name",
        message: "is not a name for a role",
        allowed: "up to 64 letters, digits and +=,.@_-",
      }),
    ),
    "Name of the nodes' role, which EC2NodeClasses refer to. Default: <cluster>-karpenter-node.",
  ),
  ssm: described(v.optional(v.boolean(), false), "Whether nodes can be reached by Session Manager."),
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
