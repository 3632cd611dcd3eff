import * as v from "valibot";
import { securityGroupId, subnetId } from "../../network";
import { nodeSettings } from "../settings";
import { arn, described, integer, oneOf, pattern, shape } from "../../schema";

const MAX_NODES = 450;
const nodes = integer(0, Number.MAX_SAFE_INTEGER);

const customAmiSchema = shape({
  id: described(
    pattern(/^ami-[0-9a-f]{8,17}$/, {
      code: "not-an-ami",
      message: "is not the id of an AMI",
      allowed: "ami- and 8 to 17 hexadecimal digits",
    }),
    "The image. EKS then adds nothing to the user data: the toolkit writes all of it.",
  ),
  family: described(
    v.optional(v.string(), "AL2023"),
    "What the image was built from. Only AL2023: its user data is nodeadm's.",
  ),
  kernel: described(
    v.optional(
      pattern(/^\d+\.\d+(\.\d+\S*)?$/, {
        code: "not-a-kernel",
        message: "is not a kernel version",
        allowed: 'major.minor in quotes, for instance "6.12"',
      }),
    ),
    "Kernel of the image; 6.1 or newer. Required.",
  ),
  cgroup: described(
    v.optional(v.picklist(["v1", "v2"])),
    "Control groups of the image; must be v2. Required.",
  ),
  containerd: described(
    v.optional(
      pattern(/^\d+\.\d+(\.\d+\S*)?$/, {
        code: "not-a-version",
        message: "is not a containerd version",
        allowed: 'major.minor in quotes, for instance "2.2"',
      }),
    ),
    "containerd of the image; 2.0 or newer. Required.",
  ),
});

const releaseSchema = shape({
  releaseVersion: described(
    pattern(/^1\.\d+\.\d+-\d{8}$/, {
      code: "not-a-release",
      message: "is not an AMI release version",
      allowed: "Kubernetes version and date, for instance 1.35.7-20260903",
    }),
    "The release of the EKS optimized AMI that the group stays at.",
  ),
});

/** An EKS managed node group. */
export const nodeGroupSchema = shape({
  name: described(
    pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,35}$/, {
      code: "not-a-group-name",
      message: "is not a name for a node group",
      allowed: "up to 36 letters, digits, - and _ (EKS allows 63; a replacement needs a suffix of its own)",
    }),
    "Name, unique in the cluster. AWS sees it with a suffix, so that a replacement can stand beside it.",
  ),
  version: described(
    v.optional(
      pattern(/^1\.\d+$/, {
        code: "not-a-minor",
        message: "is not a Kubernetes minor",
        allowed: 'major.minor in quotes, for instance "1.35"',
      }),
    ),
    "Kubernetes version of the nodes, up to three minors behind the cluster's. Default: the cluster's.",
  ),
  ami: described(
    v.optional(oneOf([releaseSchema, customAmiSchema])),
    "A pinned release of the EKS AMI, or an image of your own. Default: the release that is newest when the group is made.",
  ),
  scaling: described(
    shape({
      min: described(nodes, "Fewest nodes."),
      max: described(integer(1, MAX_NODES), `Most nodes; EKS allows ${MAX_NODES}.`),
      desired: described(
        v.optional(
          oneOf([
            shape({ initial: described(nodes, "At the start only; afterwards an autoscaler's business.") }),
            shape({ managed: described(nodes, "Set again by every apply.") }),
          ]),
        ),
        "How many nodes, and who decides. Default: initial, at min.",
      ),
    }),
    "Size of the group.",
  ),
  update: described(
    v.optional(
      oneOf([
        shape({ maxUnavailable: described(integer(1, 100), "Nodes replaced at a time.") }),
        shape({
          maxUnavailablePercentage: described(integer(1, 100), "Share of nodes replaced at a time."),
        }),
      ]),
      { maxUnavailable: 1 },
    ),
    "How a new template or version is rolled out.",
  ),
  forceUpdate: described(
    v.optional(v.boolean(), false),
    "Whether an update goes on where PodDisruptionBudgets hold pods back.",
  ),
  capacityType: described(
    v.optional(v.picklist(["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]), "ON_DEMAND"),
    "How capacity is bought.",
  ),
  capacityReservation: described(
    v.optional(
      oneOf([
        shape({
          id: described(
            pattern(/^cr-[0-9a-f]{8,17}$/, {
              code: "not-a-reservation",
              message: "is not the id of a capacity reservation",
              allowed: "cr- and hexadecimal digits",
            }),
            "The reservation.",
          ),
        }),
        shape({ resourceGroupArn: described(arn, "Resource group of reservations.") }),
      ]),
    ),
    "Capacity reservation to start instances in. Required for CAPACITY_BLOCK.",
  ),
  ...nodeSettings,
  postNodeadm: described(
    v.optional(v.array(v.string()), []),
    "Shell scripts after the NodeConfig. Custom AMI only: elsewhere EKS puts its own NodeConfig last and drops them.",
  ),
  nodeRepair: described(
    v.optional(v.boolean(), false),
    "Whether EKS replaces nodes that its monitoring agent finds unhealthy.",
  ),
  ssm: described(
    v.optional(v.boolean(), false),
    "Whether the nodes can be reached by Session Manager (adds AmazonSSMManagedInstanceCore to their role).",
  ),
  rolePolicyArns: described(
    v.optional(v.array(arn), []),
    "Policies to attach to the nodes' role besides the least.",
  ),
  subnetIds: described(v.optional(v.array(subnetId)), "Subnets. Default: the cluster's private ones."),
  securityGroupIds: described(
    v.optional(v.array(securityGroupId), []),
    "Security groups besides the cluster's own.",
  ),
});

/** Input of a node group. */
export interface NodeGroupSpec extends v.InferInput<typeof nodeGroupSchema> {}
/** A node group with its defaults. */
export type ResolvedNodeGroup = v.InferOutput<typeof nodeGroupSchema>;
/** A custom AMI as its user states it. */
export type CustomAmi = v.InferOutput<typeof customAmiSchema>;

/** The custom AMI of a group, or undefined where EKS chooses the image. */
export function customAmiOf({ ami }: Pick<ResolvedNodeGroup, "ami">): CustomAmi | undefined {
  return ami !== undefined && "id" in ami ? ami : undefined;
}
