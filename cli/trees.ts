import { join, relative, sep } from "node:path";
import type { Platform } from "../config/platform";
import type { LoadedPlatform } from "./platform-file";
import { cedanaCdk, shellWord } from "./shell";

/** Summarizes the AWS side of a platform in one line. */
export function awsContents(platform: Platform, terraform: string): string {
  const { cluster, existingCluster, nodeGroups, karpenter, storage, imageRepository } = platform;
  const eks = cluster ?? existingCluster;
  const { resource = {} } = JSON.parse(terraform) as { resource?: Record<string, object> };
  const count = Object.values(resource).reduce((sum, named) => sum + Object.keys(named).length, 0);
  const names = nodeGroups.map(({ name }) => name);
  return [
    eks && `${cluster ? "EKS cluster" : "existing EKS cluster"} ${eks.name} (${eks.version}, ${eks.region})`,
    names.length > 0 && `${names.length === 1 ? "node group" : "node groups"} ${shortened(names)}`,
    karpenter && "Karpenter foundation",
    storage && "checkpoint store",
    imageRepository && "image repository",
    `${count} Terraform resources`,
  ]
    .filter(Boolean)
    .join(", ");
}

function shortened(names: readonly string[]): string {
  return names.length <= 5
    ? names.join(", ")
    : `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`;
}

/** One output directory: its files and what `synth` prints about it. */
export interface Tree {
  readonly title: string;
  /** Summary in one line. */
  readonly contents: string;
  /** Relative to the working directory, or absolute if the platform file was given so. */
  readonly directory: string;
  readonly files: ReadonlyMap<string, string>;
  /** The platform file, so that the output or Terraform state of another one is not overwritten. */
  readonly owner: string;
  /** Shell commands to run next, from the same working directory. */
  readonly next: readonly string[];
}

/** Renders the output of a platform file. Loads only what it needs: cdktf for AWS, cdk8s for Kubernetes. */
export async function renderTrees(loaded: LoadedPlatform): Promise<Tree[]> {
  const { platform } = loaded;
  const trees: Tree[] = [];
  if (platform.cluster || platform.existingCluster) trees.push(await awsTree(loaded));
  if (platform.engine || platform.karpenter?.nodePools.length) trees.push(await kubernetesTree(loaded));
  return trees;
}

async function awsTree({ platform, root, file }: LoadedPlatform): Promise<Tree> {
  const { CONFIGURATION, terraformFiles } = await import("./terraform.js");
  const directory = join(root, platform.output.directory, "terraform");
  const files = terraformFiles(platform);
  const eks = platform.cluster ?? platform.existingCluster;
  return {
    title: "AWS (Terraform)",
    contents: awsContents(platform, files.get(CONFIGURATION)!),
    directory,
    files,
    owner: ownerOf(directory, file),
    next: [
      `terraform -chdir=${shellWord(directory)} init`,
      `terraform -chdir=${shellWord(directory)} apply`,
      `aws eks update-kubeconfig --region ${eks!.region} --name ${eks!.name}`,
    ],
  };
}

async function kubernetesTree({ platform, root, file }: LoadedPlatform): Promise<Tree> {
  const { applyCommands, kubernetesFiles, kubernetesObjects, secretCommands } =
    await import("./kubernetes.js");
  const { output } = platform;
  const directory = join(root, output.directory, "kubernetes");
  const made = kubernetesObjects(platform);
  const namespaces = new Set(made.objects.flatMap(({ metadata }) => metadata.namespace ?? []));
  const files = kubernetesFiles(platform, made);
  const apply =
    output.format === "helm"
      ? [`helm upgrade --install cedana ${shellWord(directory)}`]
      : applyCommands(directory, files, made);
  return {
    title: "Kubernetes",
    contents: `${made.objects.length} objects, namespaces ${[...namespaces].toSorted().join(", ")}`,
    directory,
    files,
    owner: ownerOf(directory, file),
    next: [cedanaCdk("diff --cluster", file), ...apply, ...secretCommands(platform)],
  };
}

/** Returns the same owner on every machine: the path of the platform file is relative to the output. */
function ownerOf(directory: string, file: string): string {
  return `cedana-cdk from ${relative(directory, file).split(sep).join("/")}`;
}
