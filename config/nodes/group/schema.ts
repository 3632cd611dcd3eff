import * as v from "../../schema/valibot";
import { securityGroupId, subnetId } from "../../network";
import { nodeSettings } from "../settings";
import { arn, derived, described, integer, oneOf, pattern, shape, titled } from "../../schema";

const MAX_NODES = 450;
const nodes = integer(0, Number.MAX_SAFE_INTEGER);

const customAmiSchema = shape({
  id: described(
    pattern(/^ami-[0-9a-f]{8,17}$/, {
      code: "invalid-ami-id",
      message: "is not an AMI id",
      allowed: "ami- and 8 to 17 hexadecimal digits",
    }),
    "Id of the image. The toolkit writes the whole user data of a custom AMI.",
  ),
  family: described(
    v.optional(v.string(), "AL2023"),
    "Distribution of the image. Must be AL2023, because the user data requires nodeadm.",
  ),
  kernel: described(
    pattern(/^\d+\.\d+(\.\d+\S*)?$/, {
      code: "invalid-kernel-version",
      message: "is not a kernel version",
      allowed: 'major.minor in quotes, such as "6.12"',
    }),
    "Kernel version of the image. Must be 6.1 or newer.",
  ),
  cgroup: described(v.picklist(["v1", "v2"]), "cgroup version of the image. Must be v2."),
  containerd: described(
    pattern(/^\d+\.\d+(\.\d+\S*)?$/, {
      code: "invalid-containerd-version",
      message: "is not a containerd version",
      allowed: 'major.minor in quotes, such as "2.2"',
    }),
    "containerd version of the image. Must be 2.0 or newer.",
  ),
});

const releaseSchema = shape({
  releaseVersion: described(
    pattern(/^1\.\d+\.\d+-\d{8}$/, {
      code: "invalid-ami-release",
      message: "is not a release of the EKS AMI",
      allowed: "a Kubernetes version and a date, such as 1.35.7-20260903",
    }),
    "Release of the EKS optimized AMI. The group is not updated to newer releases.",
  ),
});

/** Describes an EKS managed node group. */
export const nodeGroupSchema = shape({
  name: described(
    pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,35}$/, {
      code: "invalid-node-group-name",
      message: "is not a valid node group name",
      allowed: "up to 36 letters, digits, - and _, beginning with a letter or digit",
    }),
    "Name of the group, unique in the cluster. The name in AWS has a suffix, so that a replacement can be created before the old group is deleted.",
  ),
  version: described(
    derived(
      pattern(/^1\.\d+$/, {
        code: "invalid-kubernetes-version",
        message: "is not a Kubernetes minor version",
        allowed: 'major.minor in quotes, such as "1.35"',
      }),
      "the cluster's version",
    ),
    "Kubernetes minor version of the nodes, at most three minors older than the cluster's.",
  ),
  ami: described(
    derived(
      oneOf([titled(releaseSchema, "a pinned release"), titled(customAmiSchema, "a custom AMI")]),
      "the newest release of the EKS optimized AMI when the group is created",
    ),
    "Image of the nodes.",
  ),
  scaling: described(
    shape({
      min: described(nodes, "Minimum number of nodes."),
      max: described(integer(1, MAX_NODES), `Maximum number of nodes. EKS allows ${MAX_NODES}.`),
      desired: described(
        derived(
          oneOf([
            titled(
              shape({
                initial: described(
                  nodes,
                  "Number of nodes when the group is created. Later changes are left to an autoscaler.",
                ),
              }),
              "an initial number",
            ),
            titled(
              shape({ managed: described(nodes, "Number of nodes. Each `terraform apply` sets it.") }),
              "a managed number",
            ),
          ]),
          "initial, with the value of min",
        ),
        "Desired number of nodes: an initial number that an autoscaler may change, or a number that Terraform manages.",
      ),
    }),
    "Size of the group.",
  ),
  update: described(
    v.optional(
      oneOf([
        titled(
          shape({
            maxUnavailable: described(
              integer(1, 100),
              "Maximum number of nodes that are replaced at a time.",
            ),
          }),
          "a number of nodes",
        ),
        titled(
          shape({
            maxUnavailablePercentage: described(
              integer(1, 100),
              "Maximum percentage of the nodes that are replaced at a time.",
            ),
          }),
          "a percentage of the nodes",
        ),
      ]),
      { maxUnavailable: 1 },
    ),
    "Rollout of a new launch template or version.",
  ),
  forceUpdate: described(
    v.optional(v.boolean(), false),
    "Whether an update continues when PodDisruptionBudgets prevent the eviction of pods.",
  ),
  capacityType: described(
    v.optional(v.picklist(["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]), "ON_DEMAND"),
    "Purchase option of the instances.",
  ),
  capacityReservation: described(
    derived(
      oneOf([
        titled(
          shape({
            id: described(
              pattern(/^cr-[0-9a-f]{8,17}$/, {
                code: "invalid-capacity-reservation-id",
                message: "is not a capacity reservation id",
                allowed: "cr- and 8 to 17 hexadecimal digits",
              }),
              "Id of the capacity reservation.",
            ),
          }),
          "one reservation",
        ),
        titled(
          shape({ resourceGroupArn: described(arn, "Resource group of the capacity reservations.") }),
          "a group of reservations",
        ),
      ]),
      "none",
    ),
    "Capacity reservation to start instances in. Required for the capacity type CAPACITY_BLOCK.",
  ),
  ...nodeSettings,
  postNodeadm: described(
    v.optional(v.array(v.string()), []),
    "Shell scripts that run after nodeadm. Requires a custom AMI: with other images, EKS drops the scripts.",
  ),
  nodeRepair: described(
    v.optional(v.boolean(), false),
    "Whether EKS replaces nodes that its node monitoring agent reports as unhealthy.",
  ),
  ssm: described(
    v.optional(v.boolean(), false),
    "Whether Session Manager has access to the nodes. Adds the policy AmazonSSMManagedInstanceCore to their role.",
  ),
  rolePolicyArns: described(
    v.optional(v.array(arn), []),
    "IAM policies of the nodes' role, in addition to those that nodes require.",
  ),
  subnetIds: described(
    derived(v.array(subnetId), "the private subnets of the cluster"),
    "Subnets of the nodes.",
  ),
  securityGroupIds: described(
    v.optional(v.array(securityGroupId), []),
    "Security groups of the nodes, in addition to the cluster security group.",
  ),
});

/** Describes the input of a node group. */
export interface NodeGroupSpec extends v.InferInput<typeof nodeGroupSchema> {}
/** Describes a node group with its defaults. */
export type ResolvedNodeGroup = v.InferOutput<typeof nodeGroupSchema>;
/** Describes a custom AMI. */
export type CustomAmi = v.InferOutput<typeof customAmiSchema>;

/** Returns the custom AMI of a group, undefined if EKS chooses the image. */
export function customAmiOf({ ami }: Pick<ResolvedNodeGroup, "ami">): CustomAmi | undefined {
  return ami !== undefined && "id" in ami ? ami : undefined;
}
