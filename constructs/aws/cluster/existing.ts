import type { ITerraformDependable } from "cdktf";
import { DataAwsEksCluster } from "@cdktf/provider-aws/lib/data-aws-eks-cluster";
import { Construct } from "constructs";
import {
  checkExistingCluster,
  existingClusterSchema,
  type ExistingClusterSpec,
  type ResolvedExistingCluster,
} from "../../../config/cluster";
import { resolve } from "../../../config/schema";

/** A new or existing cluster, as node groups, Karpenter and pod identities use it. */
export interface ICluster {
  /** Name of the cluster. */
  readonly name: string;
  /** Kubernetes minor, for instance `1.35`. Always a plain value, never a Terraform reference. */
  readonly version: string;
  /** AWS region. */
  readonly region: string;
  /** URL of the Kubernetes API. */
  readonly endpoint: string;
  /** Certificate authority of the API server, PEM in base64. */
  readonly certificateAuthority: string;
  /** CIDR block of Services, in the cluster's IP family. */
  readonly serviceCidr: string;
  /** IP family of pods and Services. */
  readonly ipFamily: "ipv4" | "ipv6";
  /** The security group that EKS creates for control plane and nodes. */
  readonly securityGroupId: string;
  /** Private subnets of nodes. */
  readonly subnetIds: string[];
  /** Resources that must exist while any node exists: routes, access entries, add-ons. */
  readonly beforeNodes: ITerraformDependable[];
}

/** An existing cluster: the given attributes, and one data source for the others. */
export class ExistingCluster extends Construct implements ICluster {
  readonly beforeNodes: ITerraformDependable[] = [];
  private readonly spec: ResolvedExistingCluster;
  private lookedUp?: DataAwsEksCluster;

  constructor(scope: Construct, id: string, attributes: ExistingClusterSpec) {
    super(scope, id);
    this.spec = resolve(this.node.path, existingClusterSchema, attributes, checkExistingCluster);
  }

  /** Created at first use, so that a cluster with all attributes given needs no access to AWS. */
  private get data(): DataAwsEksCluster {
    this.lookedUp ??= new DataAwsEksCluster(this, "cluster", { name: this.spec.name });
    return this.lookedUp;
  }

  get name(): string {
    return this.spec.name;
  }

  get version(): string {
    return this.spec.version;
  }

  get region(): string {
    return this.spec.region;
  }

  get ipFamily(): "ipv4" | "ipv6" {
    return this.spec.ipFamily;
  }

  get endpoint(): string {
    return this.spec.endpoint ?? this.data.endpoint;
  }

  get certificateAuthority(): string {
    return this.spec.certificateAuthority ?? this.data.certificateAuthority.get(0).data;
  }

  get serviceCidr(): string {
    if (this.spec.serviceCidr !== undefined) return this.spec.serviceCidr;
    const network = this.data.kubernetesNetworkConfig.get(0);
    return this.ipFamily === "ipv6" ? network.serviceIpv6Cidr : network.serviceIpv4Cidr;
  }

  get securityGroupId(): string {
    return this.spec.securityGroupId ?? this.data.vpcConfig.get(0).clusterSecurityGroupId;
  }

  get subnetIds(): string[] {
    return this.spec.subnetIds ?? this.data.vpcConfig.get(0).subnetIds;
  }
}
