import {
  awsIdentity,
  deleteEcrImage,
  parseReference,
  podIdentity,
  registryCredentials,
  RegistryClient,
  type Identity,
  type Manifest,
  type RegistryAccess,
} from "../../clients/registry";

/** What the controller does in a registry. Repositories are `host/path`. All methods throw RegistryError, or Error without secrets. */
export interface Registry {
  /** Reads a manifest by tag or digest; undefined if there is none. */
  manifest(repository: string, reference: string, signal: AbortSignal): Promise<Manifest | undefined>;
  /** Deletes a manifest by its digest. @returns false if there was none */
  delete(repository: string, digest: string, signal: AbortSignal): Promise<boolean>;
  /** Lists the tags, page by page. */
  tags(repository: string, signal: AbortSignal): AsyncIterable<readonly string[]>;
}

/** How long a client is used: a Secret can change, and an ECR password is valid for 12 hours. */
const CLIENT_MS = 600_000;
const TIMEOUT_MS = 30_000;

/**
 * Returns the registry with the configured credentials. They are read when they are needed.
 * @param identity AWS identity of the pod. Default: by EKS Pod Identity
 */
export function registryWith(access: RegistryAccess, identity: Identity = podIdentity): Registry {
  let known: { readonly host: string; readonly client: RegistryClient; readonly untilMs: number } | undefined;
  const placeOf = async (name: string) => {
    const { registry, repository } = parseReference(name);
    if (known === undefined || known.host !== registry || performance.now() >= known.untilMs) {
      known?.client.close();
      known = undefined;
      const credentials = await registryCredentials(access, { registry, repository }, identity);
      const client = new RegistryClient({ registry, credentials, attempts: 2, timeoutMs: TIMEOUT_MS });
      known = { host: registry, client, untilMs: performance.now() + CLIENT_MS };
    }
    return { registry, repository, client: known.client };
  };
  return {
    async manifest(name, reference, signal) {
      const { repository, client } = await placeOf(name);
      return client.getManifest(repository, reference, signal);
    },
    async delete(name, digest, signal) {
      if (access.credentials === "ecr") {
        const { registry, repository } = parseReference(name);
        return deleteEcrImage({ registry, repository, digest }, await awsIdentity(identity));
      }
      const { repository, client } = await placeOf(name);
      return client.deleteManifest(repository, digest, signal);
    },
    async *tags(name, signal) {
      const { repository, client } = await placeOf(name);
      yield* client.listTags(repository, { signal });
    },
  };
}
