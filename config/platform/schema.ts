import * as v from "valibot";
import { checkpointStoreSchema } from "../checkpoint-store";
import { clusterSchema, existingClusterSchema } from "../cluster";
import { engineSchema } from "../engines";
import { imageRepositorySchema } from "../image-repository";
import { installSchema } from "../install";
import { karpenterSchema } from "../karpenter";
import { networkSchema } from "../network";
import { nodeGroupSchema } from "../nodes/group";
import { described, shape } from "../schema";
import { outputSchema } from "./output-schema";
import { terraformSchema } from "./terraform-schema";

/** Everything that cedana.yaml may say. */
export const platformSchema = shape({
  version: described(v.literal(1), "Version of this file's form. Always 1."),
  cluster: described(v.optional(clusterSchema), "EKS cluster to make. Left out: see existingCluster."),
  network: described(
    v.optional(networkSchema),
    "Network of the cluster: a new VPC, or subnets that exist. Left out with a cluster: a new VPC with the defaults.",
  ),
  existingCluster: described(
    v.optional(existingClusterSchema),
    "EKS cluster that exists, in place of cluster and network. With neither, only the Kubernetes side is made.",
  ),
  nodeGroups: described(v.optional(v.array(nodeGroupSchema), []), "Managed node groups of the cluster."),
  karpenter: described(
    v.optional(karpenterSchema),
    "What Karpenter needs in AWS, and its node pools. Left out: nothing.",
  ),
  storage: described(v.optional(checkpointStoreSchema), "S3 bucket of checkpoints. Left out: none."),
  imageRepository: described(
    v.optional(imageRepositorySchema),
    "ECR repository of images and of checkpoints kept as images. Left out: none.",
  ),
  engine: described(
    v.optional(engineSchema),
    "What checkpoints and restores. Left out: the Kubernetes side is not made.",
  ),
  install: described(v.optional(installSchema), "How the engine is installed. Left out: the defaults."),
  terraform: described(v.optional(terraformSchema, {}), "State and tags of the AWS side."),
  output: described(v.optional(outputSchema, {}), "Where synthesized files go."),
});

/** cedana.yaml as a user writes it. */
export interface PlatformSpec extends v.InferInput<typeof platformSchema> {}
/** cedana.yaml with every default filled in. */
export type Platform = v.InferOutput<typeof platformSchema>;
