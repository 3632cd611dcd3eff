import { readFile } from "node:fs/promises";
import {
  credentialsFor,
  ecrCredentials,
  parseReference,
  RegistryClient,
  type Credentials,
  type ImageReference,
  type PodIdentity,
} from "../../clients/registry";
import type { AgentSettings } from "../../constructs/core/agent";
import { pushArchive } from "../archive";
import type { Push } from "./tools";

/** Says who the pod is to AWS; undefined where it has no such identity. Asked for each push: it is renewed. */
export type Identity = () => Promise<PodIdentity | undefined>;

/** Pushes with the credentials that the settings name, got anew each time: a password of ECR is good for 12 hours. */
export function pushWith(registry: AgentSettings["registry"], identity: Identity): Push {
  return async ({ file, image, check, signal }) => {
    const reference = parseReference(image);
    const credentials = await credentialsOf(registry, reference, identity);
    // The worker tries again by itself, for longer.
    const client = new RegistryClient({ registry: reference.registry, credentials, attempts: 2 });
    try {
      return await pushArchive({ file, reference, client, check, signal });
    } finally {
      client.close();
    }
  };
}

async function credentialsOf(
  settings: AgentSettings["registry"],
  { registry, repository }: ImageReference,
  identity: Identity,
): Promise<Credentials | undefined> {
  if (settings.credentials === "none") return undefined;
  if (settings.credentials === "docker-config")
    return credentialsFor(await readFile(settings.dockerConfig, "utf8"), registry, repository);
  const found = await identity();
  if (found) return ecrCredentials(registry, found);
  throw new Error(
    "the settings say that the registry is ECR, and this pod has no AWS identity: give its ServiceAccount an EKS Pod Identity association",
  );
}
