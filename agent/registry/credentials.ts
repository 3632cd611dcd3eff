import { readFile } from "node:fs/promises";
import {
  credentialsFor,
  ecrCredentials,
  type Credentials,
  type ImageReference,
  type PodIdentity,
} from "../../clients/registry";
import type { AgentRegistrySettings } from "../../config/programs/agent";

/** Says who the pod is to AWS; undefined where it has no such identity. Asked anew each time: it is renewed. */
export type Identity = () => Promise<PodIdentity | undefined>;

/**
 * What the registry is shown, as the settings name it.
 * @returns undefined: nothing
 * @throws Error, in words and without secrets
 */
export async function registryCredentials(
  settings: AgentRegistrySettings,
  { registry, repository }: Pick<ImageReference, "registry" | "repository">,
  identity: Identity,
): Promise<Credentials | undefined> {
  if (settings.credentials === "none") return undefined;
  if (settings.credentials === "docker-config")
    return credentialsFor(await readFile(settings.dockerConfig, "utf8"), registry, repository);
  const found = await identity();
  if (found) return ecrCredentials(registry, found);
  throw new Error(
    "the settings say that the registry is ECR, and this pod has no AWS identity: give its ServiceAccount an EKS Pod Identity association, and make the pod anew",
  );
}
