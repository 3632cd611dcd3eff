import { Fn } from "cdktf";
import type { LaunchTemplateConfig } from "@cdktf/provider-aws/lib/launch-template";
import { renderUserData, type Bootstrap } from "../../../render/user-data";
import { customAmiOf, type ResolvedNodeGroup } from "../../../config/nodes/group";
import type { ICluster } from "../cluster";

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
