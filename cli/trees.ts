import { join } from "node:path";
import type { Platform } from "../config/platform";
import { awsContents } from "./contents";
import type { LoadedPlatform } from "./platform-file";

/** Who writes the trees, for manifests/output. */
export const OWNER = "cedana-cdk synth";

/** A tree of files to be, and what to tell of it. */
export interface Tree {
  readonly title: string;
  /** What is in it, in a line. */
  readonly contents: string;
  /** Relative to the platform file. */
  readonly directory: string;
  readonly files: ReadonlyMap<string, string>;
  /** What to run next. */
  readonly next: readonly string[];
}

/** Everything that a platform file makes. Only what it needs is loaded: cdktf for AWS, cdk8s for Kubernetes. */
export async function makeTrees({ platform }: LoadedPlatform): Promise<Tree[]> {
  const trees: Tree[] = [];
  if (platform.cluster || platform.existingCluster) trees.push(await awsTree(platform));
  if (platform.engine || platform.karpenter?.nodePools.length) trees.push(await kubernetesTree(platform));
  return trees;
}

async function awsTree(platform: Platform): Promise<Tree> {
  const { CONFIGURATION, terraformFiles } = await import("./terraform.js");
  const directory = join(platform.output.directory, "terraform");
  const files = terraformFiles(platform);
  const eks = platform.cluster ?? platform.existingCluster;
  return {
    title: "AWS (Terraform)",
    contents: awsContents(platform, files.get(CONFIGURATION)!),
    directory,
    files,
    next: [
      `terraform -chdir=${directory} init`,
      `terraform -chdir=${directory} apply`,
      `aws eks update-kubeconfig --region ${eks!.region} --name ${eks!.name}`,
    ],
  };
}

async function kubernetesTree(platform: Platform): Promise<Tree> {
  const { kubernetesFiles, kubernetesObjects } = await import("./kubernetes.js");
  const { directory: root, format } = platform.output;
  const directory = join(root, "kubernetes");
  const made = kubernetesObjects(platform);
  const namespaces = new Set(made.objects.flatMap(({ metadata }) => metadata.namespace ?? []));
  const apply =
    format === "helm"
      ? `helm upgrade --install cedana ${directory}`
      : `kubectl apply --server-side -k ${directory}`;
  return {
    title: "Kubernetes",
    contents: `${made.objects.length} objects, namespaces ${[...namespaces].toSorted().join(", ")}`,
    directory,
    files: kubernetesFiles(platform, made),
    next: ["npx cedana-cdk diff --cluster", apply, ...secretCommands(platform)],
  };
}

/** How to make the Secrets that the engine refers to: their values are in no file that is made here. */
function secretCommands({ engine, install }: Platform): string[] {
  const keys = new Map<string, string[]>();
  if (engine?.kind === "kubelet") return registrySecret(engine, install);
  for (const ref of Object.values(engine?.secrets ?? {})) {
    if (ref) keys.set(ref.name, [...(keys.get(ref.name) ?? []), ref.key]);
  }
  const namespace = install?.namespace ?? "cedana-system";
  return [...keys].map(([name, names]) => {
    const files = names.map((key) => `--from-file=${key}=<file>`).join(" ");
    return `kubectl -n ${namespace} create secret generic ${name} ${files}`;
  });
}

/** A Secret of the type that holds a Docker config.json has it under one key, by which it can be found. */
function registrySecret(
  { registryCredentials }: Extract<Platform["engine"], { kind: "kubelet" }>,
  install: Platform["install"],
): string[] {
  if (!registryCredentials) return [];
  const { name, key } = registryCredentials;
  const namespace = install?.agentNamespace ?? install?.namespace ?? "cedana-system";
  const type = key === ".dockerconfigjson" ? " --type=kubernetes.io/dockerconfigjson" : "";
  return [`kubectl -n ${namespace} create secret generic ${name}${type} --from-file=${key}=<file>`];
}
