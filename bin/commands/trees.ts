import { join } from "node:path";
import type { LoadedPlatform } from "./platform-file";

/** Who writes the trees, for bin/output. */
export const OWNER = "cedana-cdk synth";

/** A tree of files to be, and what to tell of it. */
export interface Tree {
  readonly title: string;
  /** Relative to the platform file. */
  readonly directory: string;
  readonly files: ReadonlyMap<string, string>;
  /** What to run next. */
  readonly next: readonly string[];
}

/** Everything that a platform file makes. Only what it needs is loaded: cdktf for AWS, cdk8s for Kubernetes. */
export async function makeTrees({ platform }: LoadedPlatform): Promise<Tree[]> {
  const { directory, format } = platform.output;
  const trees: Tree[] = [];
  if (platform.cluster || platform.existingCluster) {
    const { terraformFiles } = await import("./terraform.js");
    const at = join(directory, "terraform");
    trees.push({
      title: "AWS (Terraform)",
      directory: at,
      files: terraformFiles(platform),
      next: [`terraform -chdir=${at} init`, `terraform -chdir=${at} plan`],
    });
  }
  if (platform.engine || platform.karpenter?.nodePools.length) {
    const { kubernetesFiles } = await import("./kubernetes.js");
    const at = join(directory, "kubernetes");
    trees.push({
      title: "Kubernetes",
      directory: at,
      files: kubernetesFiles(platform),
      next:
        format === "helm"
          ? [`helm upgrade --install cedana ${at}`]
          : ["cedana-cdk diff --cluster", `kubectl apply --server-side -k ${at}`],
    });
  }
  return trees;
}
