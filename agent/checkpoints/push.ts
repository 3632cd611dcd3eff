import { parseReference, RegistryClient } from "../../clients/registry";
import type { AgentSettings } from "../../config/programs/agent";
import { pushArchive } from "../archive";
import { registryCredentials, type Identity } from "../registry";
import type { Push } from "./tools";

/** Pushes with the credentials that the settings name, got anew each time: a password of ECR is good for 12 hours. */
export function pushWith(registry: AgentSettings["registry"], identity: Identity): Push {
  return async ({ file, image, check, signal }) => {
    const reference = parseReference(image);
    const credentials = await registryCredentials(registry, reference, identity);
    // The worker tries again by itself, for longer.
    const client = new RegistryClient({ registry: reference.registry, credentials, attempts: 2 });
    try {
      return await pushArchive({ file, reference, client, check, signal });
    } finally {
      client.close();
    }
  };
}
