/** Credentials for a registry, as a program is configured. */
import { readFile } from "node:fs/promises";
import { credentialsFor, entriesIn, type Credentials } from "./docker-config";
import { ecrCredentials, type PodIdentity } from "./ecr";
import type { ImageReference } from "./reference";

/** Kind of credentials that a program has for its registry. */
export type RegistryAccess =
  | { readonly credentials: "none" | "ecr" }
  /** `dockerConfig`: path of a Docker config.json, read for each use. */
  | { readonly credentials: "docker-config"; readonly dockerConfig: string };

/** Returns the current AWS identity of the pod; undefined if it has none. */
export type Identity = () => Promise<PodIdentity | undefined>;

/**
 * Returns the credentials for the registry as configured; undefined for none.
 * @throws Error without secrets in its message
 */
export async function registryCredentials(
  settings: RegistryAccess,
  { registry, repository }: Pick<ImageReference, "registry" | "repository">,
  identity: Identity,
): Promise<Credentials | undefined> {
  if (settings.credentials === "none") return undefined;
  if (settings.credentials === "docker-config") {
    const text = await readFile(settings.dockerConfig, "utf8");
    const found = credentialsFor(text, registry, repository);
    if (found) return found;
    const entries = entriesIn(text).join(", ") || "none";
    throw new Error(
      `the Docker config has no entry for ${registry}/${repository}; it has: ${entries}. Add an entry to the Secret of registryCredentials`,
    );
  }
  return ecrCredentials(registry, await awsIdentity(identity));
}

/** Returns the AWS identity of the pod. @throws Error if it has none */
export async function awsIdentity(identity: Identity): Promise<PodIdentity> {
  const found = await identity();
  if (found) return found;
  throw new Error(
    "the registry is ECR, but this pod has no AWS identity: create an EKS Pod Identity association for its ServiceAccount, then recreate the pod",
  );
}
