import type { Platform } from "../config/platform";

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
