import type { ITerraformDependable } from "cdktf";

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
