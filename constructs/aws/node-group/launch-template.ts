import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { Construct } from "constructs";
import { Fn } from "cdktf";
import type { LaunchTemplateConfig } from "@cdktf/provider-aws/lib/launch-template";
import { partitionOf } from "../../../config/cluster";
import { isToken } from "../../../config/schema";
import { instanceTrust } from "../internal";
import { renderUserData, type Bootstrap } from "../../../render/user-data";
import { customAmiOf, type ResolvedNodeGroup } from "../../../config/nodes/group";
import type { ICluster } from "../cluster";

/** Policies that every node needs to join the cluster and pull images. Pods get other permissions by Pod Identity. */
const REQUIRED_POLICIES = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"];

export interface NodeRoleProps {
  /** Name of the role, or its prefix. */
  readonly name:
    | {
        /** Name of the role. */
        readonly name: string;
      }
    | {
        /** Prefix of the name, which AWS completes. */
        readonly namePrefix: string;
      };
  /** AWS region of the provider. */
  readonly region: string;
  /** Whether Session Manager can reach the nodes. Adds AmazonSSMManagedInstanceCore. */
  readonly ssm: boolean;
  /**
   * Further policies of the role, in addition to those that a node needs.
   *
   * @default []
   */
  readonly policyArns?: readonly string[];
}

/** The IAM role of nodes. */
export class NodeRole extends Construct {
  readonly role: IamRole;
  /** Must be destroyed after the nodes. */
  readonly permissions: readonly IamRolePolicyAttachment[];

  constructor(scope: Construct, id: string, { name, region, ssm, policyArns = [] }: NodeRoleProps) {
    super(scope, id);
    this.role = new IamRole(this, "role", { ...name, assumeRolePolicy: instanceTrust() });
    const managed = [...REQUIRED_POLICIES, ...(ssm ? ["AmazonSSMManagedInstanceCore"] : [])].map(
      (policy) => ({
        id: policy,
        arn: `arn:${partitionOf(region)}:iam::aws:policy/${policy}`,
      }),
    );
    // The id contains the policy: with an index, removing one policy would also detach the ones after it.
    const given = policyArns
      .filter((arn) => !managed.some((one) => one.arn === arn))
      .map((arn, index) => ({ id: isToken(arn) ? `policy-${index}` : arn, arn }));
    this.permissions = [...managed, ...given].map(
      ({ id, arn }) => new IamRolePolicyAttachment(this, id, { role: this.role.name, policyArn: arn }),
    );
  }
}

const TOKEN = /(\$\{TfToken\[[^\]]+\]\})/;

/**
 * Returns user data in base64, as launch templates require. Terraform joins text that contains Terraform references; the
 * other text is passed as base64, so that `${...}` in a shell script is never read as a Terraform expression.
 */
export function encodeUserData(text: string): string {
  const pieces = text.split(TOKEN);
  if (pieces.length === 1) return Buffer.from(text).toString("base64");
  const parts = pieces
    .filter((piece) => piece !== "")
    .map((piece) => (TOKEN.test(piece) ? piece : Fn.base64decode(Buffer.from(piece).toString("base64"))));
  return Fn.base64encode(Fn.join("", parts));
}

/** Root device of Amazon Linux 2023. */
const ROOT_DEVICE = "/dev/xvda";

/** Returns the launch template of a node group. */
export function launchTemplateConfig(spec: ResolvedNodeGroup, cluster: ICluster): LaunchTemplateConfig {
  const userData = renderUserData(spec, bootstrapOf(spec, cluster));
  const tags = { Name: spec.name, ...spec.tags };
  const block = spec.capacityType === "CAPACITY_BLOCK";
  return {
    namePrefix: `${spec.name}-`,
    imageId: customAmiOf(spec)?.id,
    // For a capacity block EKS requires the one instance type here instead of in the group.
    ...(block
      ? { instanceType: spec.instanceTypes[0], instanceMarketOptions: { marketType: "capacity-block" } }
      : {}),
    ...(userData === undefined ? {} : { userData: encodeUserData(userData) }),
    blockDeviceMappings: [rootVolume(spec.rootVolume)],
    metadataOptions: {
      httpEndpoint: "enabled",
      httpTokens: "required",
      httpPutResponseHopLimit: spec.metadataOptions.httpPutResponseHopLimit,
      ...(cluster.ipFamily === "ipv6" ? { httpProtocolIpv6: "enabled" } : {}),
    },
    ...(spec.securityGroupIds.length > 0
      ? { vpcSecurityGroupIds: [cluster.securityGroupId, ...spec.securityGroupIds] }
      : {}),
    ...reservation(spec.capacityReservation),
    tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({
      resourceType,
      tags,
    })),
    tags: spec.tags,
    lifecycle: { createBeforeDestroy: true },
  };
}

function bootstrapOf(spec: ResolvedNodeGroup, cluster: ICluster): Bootstrap {
  if (!customAmiOf(spec)) return { mode: "managed" };
  return {
    mode: "custom-ami",
    cluster: {
      name: cluster.name,
      apiServerEndpoint: cluster.endpoint,
      certificateAuthority: cluster.certificateAuthority,
      cidr: cluster.serviceCidr,
    },
  };
}

function rootVolume({ sizeGiB, type, iops, throughputMiBps, kmsKeyArn }: ResolvedNodeGroup["rootVolume"]) {
  return {
    deviceName: ROOT_DEVICE,
    ebs: {
      volumeSize: sizeGiB,
      volumeType: type,
      iops,
      throughput: throughputMiBps,
      encrypted: "true",
      kmsKeyId: kmsKeyArn,
      deleteOnTermination: "true",
    },
  };
}

function reservation(of: ResolvedNodeGroup["capacityReservation"]) {
  if (of === undefined) return {};
  const capacityReservationTarget =
    "id" in of
      ? { capacityReservationId: of.id }
      : { capacityReservationResourceGroupArn: of.resourceGroupArn };
  return { capacityReservationSpecification: { capacityReservationTarget } };
}
