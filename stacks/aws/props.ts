import type { CheckpointStoreSpec } from "../../config/checkpoint-store";
import type { ClusterSpec, ExistingClusterSpec } from "../../config/cluster";
import type { ImageRepositorySpec } from "../../config/image-repository";
import type { KarpenterSpec } from "../../config/karpenter";
import type { NetworkSpec } from "../../config/network";
import type { NodeGroupSpec } from "../../config/nodes/group";

/** Where Terraform keeps its state. Credentials come from the environment, never from here. */
export interface S3StateBackend {
  readonly bucket: string;
  /** Default: `<stack id>.tfstate`. */
  readonly key?: string;
  readonly region: string;
  readonly kmsKeyId?: string;
}

/** State in a file, for trying things out. */
export interface LocalStateBackend {
  /** From the folder that Terraform runs in, or absolute. */
  readonly path: string;
}

/** The AWS side of a platform. Every part but the cluster may be left out, or switched off with `false`. */
export interface PlatformStackProps {
  /** A cluster to make. Either this or `existingCluster`. */
  readonly cluster?: ClusterSpec | false;
  /** A cluster that exists. */
  readonly existingCluster?: ExistingClusterSpec | false;
  /** Network of `cluster`. Default: a new VPC, `10.0.0.0/16` over three zones. Not with `existingCluster`. */
  readonly network?: NetworkSpec;
  readonly nodeGroups?: readonly NodeGroupSpec[] | false;
  /** What Karpenter needs in AWS. Its pools belong to the Kubernetes side. */
  readonly karpenter?: KarpenterSpec | false;
  readonly storage?: CheckpointStoreSpec | false;
  readonly imageRepository?: ImageRepositorySpec | false;
  /** Tags of everything that can have tags, and of what node groups start. A group's own tags go before them. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Default: cdktf's own, `terraform.<stack id>.tfstate` in the directory that the program ran in, as an absolute path. */
  readonly backend?: S3StateBackend | LocalStateBackend;
}
