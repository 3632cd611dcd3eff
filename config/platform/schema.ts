import * as v from "../schema/valibot";
import { checkpointStoreSchema } from "../checkpoint-store";
import { clusterSchema, existingClusterSchema } from "../cluster";
import { engineSchema } from "../engines";
import { imageRepositorySchema } from "../image-repository";
import { installSchema } from "../install";
import { karpenterSchema } from "../karpenter";
import { networkSchema } from "../network";
import { nodeGroupSchema } from "../nodes/group";
import { derived, described, shape } from "../schema";
import { outputSchema } from "./output-schema";
import { terraformSchema } from "./terraform-schema";

/** The properties of cedana.yaml. */
export const platformSchema = shape({
  version: described(v.literal(1), "Version of the file format. Must be 1."),
  cluster: described(derived(clusterSchema, "no new cluster"), "A new EKS cluster."),
  network: described(
    derived(networkSchema, "with cluster, a new VPC with the default settings"),
    "Network of the new cluster.",
  ),
  existingCluster: described(
    derived(existingClusterSchema, "none; without cluster too, only the Kubernetes side is synthesized"),
    "An existing EKS cluster, instead of cluster and network.",
  ),
  nodeGroups: described(v.optional(v.array(nodeGroupSchema), []), "Managed node groups of the cluster."),
  karpenter: described(
    derived(karpenterSchema, "no resources for Karpenter"),
    "AWS resources of Karpenter, and its node pools.",
  ),
  storage: described(derived(checkpointStoreSchema, "no bucket"), "S3 bucket of checkpoints."),
  imageRepository: described(
    derived(imageRepositorySchema, "no repository"),
    "ECR repository of images, and of checkpoints stored as images.",
  ),
  engine: described(
    derived(engineSchema, "the Kubernetes side is not synthesized"),
    "Engine that takes and restores checkpoints.",
  ),
  install: described(
    derived(installSchema, "with engine, the default settings"),
    "How the engine is installed into the cluster.",
  ),
  terraform: described(v.optional(terraformSchema, {}), "Terraform state and tags of the AWS side."),
  output: described(v.optional(outputSchema, {}), "Where synthesized files are written."),
});

/** cedana.yaml as a user writes it. */
export interface PlatformSpec extends v.InferInput<typeof platformSchema> {}
/** cedana.yaml with its defaults. */
export type Platform = v.InferOutput<typeof platformSchema>;
