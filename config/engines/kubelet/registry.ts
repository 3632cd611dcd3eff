import type { ResolvedKubeletEngine } from "./schema";

/** What the agent shows the registry. */
export type RegistryCredentials = "docker-config" | "ecr" | "none";

/** Hosts of ECR, with the account and region in them. */
const ECR = /^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

/** Host of the registry, with its port. */
export function registryOf({ repository }: Pick<ResolvedKubeletEngine, "repository">): string {
  return repository.slice(0, repository.indexOf("/"));
}

export function credentialsOf(
  engine: Pick<ResolvedKubeletEngine, "repository" | "registryCredentials">,
): RegistryCredentials {
  if (engine.registryCredentials !== undefined) return "docker-config";
  return ECR.test(registryOf(engine)) ? "ecr" : "none";
}

/** Whether the registry is on each node itself: pods reach it in the node's own network only. */
export function isNodesOwn(engine: Pick<ResolvedKubeletEngine, "repository">): boolean {
  return /^(localhost|127(\.\d{1,3}){3})(:\d+)?$/.test(registryOf(engine));
}

/** TCP port of the registry. */
export function registryPort(engine: Pick<ResolvedKubeletEngine, "repository">): number {
  const port = /:(\d+)$/.exec(registryOf(engine))?.[1];
  return port === undefined ? (isNodesOwn(engine) ? 80 : 443) : Number(port);
}
