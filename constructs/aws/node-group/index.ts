import { AutoscalingGroupTagA } from "@cdktf/provider-aws/lib/autoscaling-group-tag";
import { EksNodeGroup } from "@cdktf/provider-aws/lib/eks-node-group";
import { LaunchTemplate } from "@cdktf/provider-aws/lib/launch-template";
import { Construct } from "constructs";
import { iamPrefix } from "../../../config/cluster";
import { findAmi, instanceFacts, startupTaintOf, toAutoscalerTag, type Taint } from "../../../config/nodes";
import { nodeLabels } from "../../../render/user-data";
import {
  customAmiOf,
  resolveNodeGroup,
  type NodeGroupSpec,
  type ResolvedNodeGroup,
} from "../../../config/nodes/group";
import { InvalidInputError } from "../../../config/schema";
import type { ICluster } from "../cluster";
import { NodeRole, launchTemplateConfig } from "./launch-template";

export { NodeRole, type NodeRoleProps } from "./launch-template";

export interface NodeGroupProps extends NodeGroupSpec {
  /** The cluster that the nodes join: a `Cluster`, or `Cluster.fromAttributes`. */
  readonly cluster: ICluster;
}

/**
 * Creates an EKS managed node group whose nodes boot ready for checkpoints: kubelet timeouts, startup taint and runtime
 * handler are in the user data, so nothing on a node is restarted later.
 *
 * Name and launch template have a suffix, so that a replacement is created before the old group is destroyed.
 * @throws InvalidInputError with all problems of the input
 */
export class NodeGroup extends Construct {
  readonly role: NodeRole;
  readonly launchTemplate: LaunchTemplate;
  readonly resource: EksNodeGroup;
  /** Tags from which cluster-autoscaler reads labels and taints while the group is empty. */
  readonly autoscalerTags: readonly AutoscalingGroupTagA[];
  /** Startup taint of new nodes, if any. */
  readonly startupTaint?: Taint;
  /** Labels of the nodes. */
  readonly labels: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: NodeGroupProps) {
    super(scope, id);
    const { cluster, ...input } = props;
    const spec = resolveNodeGroup(this.node.path, input, { kubernetesVersion: cluster.version });
    this.startupTaint = startupTaintOf(spec);
    this.labels = nodeLabels(spec);
    this.role = new NodeRole(this, "node", {
      name: { namePrefix: iamPrefix(spec.name, "node") },
      region: cluster.region,
      ssm: spec.ssm,
      policyArns: spec.rolePolicyArns,
    });
    this.launchTemplate = new LaunchTemplate(this, "template", launchTemplateConfig(spec, cluster));
    this.resource = this.makeGroup(spec, cluster);
    this.autoscalerTags = this.makeAutoscalerTags(spec);
  }

  private makeGroup(spec: ResolvedNodeGroup, cluster: ICluster): EksNodeGroup {
    const { min, max, desired = { initial: min } } = spec.scaling;
    const initial = "initial" in desired;
    return new EksNodeGroup(this, "group", {
      clusterName: cluster.name,
      nodeGroupNamePrefix: `${spec.name}-`,
      nodeRoleArn: this.role.role.arn,
      subnetIds: spec.subnetIds ?? cluster.subnetIds,
      ...imageOf(spec, cluster),
      capacityType: spec.capacityType,
      ...(spec.capacityType === "CAPACITY_BLOCK" ? {} : { instanceTypes: spec.instanceTypes }),
      // The number, never $Latest: EKS stores the number, and Terraform would always see a difference.
      launchTemplate: {
        id: this.launchTemplate.id,
        version: this.launchTemplate.getStringAttribute("latest_version"),
      },
      scalingConfig: { minSize: min, maxSize: max, desiredSize: initial ? desired.initial : desired.managed },
      updateConfig: { ...spec.update },
      forceUpdateVersion: spec.forceUpdate,
      labels: { ...this.labels },
      ...(spec.nodeRepair ? { nodeRepairConfig: { enabled: true } } : {}),
      tags: spec.tags,
      dependsOn: [...cluster.beforeNodes, ...this.role.permissions],
      lifecycle: {
        createBeforeDestroy: true,
        ...(initial ? { ignoreChanges: ["scaling_config[0].desired_size"] } : {}),
      },
    });
  }

  /** Excludes the startup taint: an autoscaler that assumes it stays would never start a first node. */
  private makeAutoscalerTags(spec: ResolvedNodeGroup): AutoscalingGroupTagA[] {
    const autoscalingGroupName = this.resource.resources.get(0).autoscalingGroups.get(0).name;
    const tags = [
      ...Object.entries(this.labels).map(([key, value]) => ({
        key: `k8s.io/cluster-autoscaler/node-template/label/${key}`,
        value,
      })),
      ...autoscalerTaints(spec.taints).map(toAutoscalerTag),
    ];
    return tags.map(
      ({ key, value }) =>
        new AutoscalingGroupTagA(this, key.replace("k8s.io/cluster-autoscaler/node-template/", ""), {
          autoscalingGroupName,
          tag: { key, value, propagateAtLaunch: false },
        }),
    );
  }
}

/** Returns one taint per key, the one with the strictest effect: an Auto Scaling group has each tag key only once. */
function autoscalerTaints(taints: readonly Taint[]): Taint[] {
  const strongest = ["NoExecute", "NoSchedule", "PreferNoSchedule"];
  const rank = ({ effect }: Taint) => strongest.indexOf(effect);
  const byKey = new Map<string, Taint>();
  for (const taint of taints) {
    const known = byKey.get(taint.key);
    if (!known || rank(taint) < rank(known)) byKey.set(taint.key, taint);
  }
  return [...byKey.values()];
}

/** Returns AMI type and version; neither for a custom AMI in the launch template, with which EKS rejects them. */
function imageOf(spec: ResolvedNodeGroup, cluster: ICluster) {
  if (customAmiOf(spec)) return {};
  const version = spec.version ?? cluster.version;
  const { architecture, accelerator } = instanceFacts(spec);
  const found = findAmi(version, architecture, accelerator);
  if (found.problems) throw new InvalidInputError(spec.name, found.problems);
  return {
    amiType: found.ami.amiType,
    version,
    ...(spec.ami && "releaseVersion" in spec.ami ? { releaseVersion: spec.ami.releaseVersion } : {}),
  };
}
