import { readFile } from "node:fs/promises";
import {
  credentialsFor,
  ecrCredentials,
  entriesIn,
  type Credentials,
  type ImageReference,
  type PodIdentity,
} from "../clients/registry";
import type { AgentRegistrySettings } from "../config/programs/agent";

/** Returns the current AWS identity of the pod; undefined if it has none. */
export type Identity = () => Promise<PodIdentity | undefined>;

/**
 * Returns the credentials for the registry as configured; undefined for none.
 * @throws Error without secrets in its message
 */
export async function registryCredentials(
  settings: AgentRegistrySettings,
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
  const found = await identity();
  if (found) return ecrCredentials(registry, found);
  throw new Error(
    "the registry is ECR, but this pod has no AWS identity: create an EKS Pod Identity association for its ServiceAccount, then recreate the pod",
  );
}
