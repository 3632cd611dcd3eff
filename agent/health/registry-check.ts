import {
  parseReference,
  registryCredentials,
  RegistryClient,
  RegistryError,
  type Credentials,
  type Identity,
} from "../../clients/registry";
import type { AgentRegistrySettings, AgentSettings } from "../../config/programs/agent";
import { errorText, failed, ok, type Finding } from "./finding";

/** Digest of zero bytes. The check requests it to test permissions; whether the registry has it does not matter. */
const EMPTY_BLOB = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Half of the lifetime of an ECR password. */
const ECR_CACHE_MS = 6 * 3_600_000;

/** Returns a check that sends the first request of a push, with the agent's credentials, to pull and push. */
export function registryCheck(
  { repository: name, registry: settings }: Pick<AgentSettings, "repository" | "registry">,
  identity: Identity,
  timeoutMs: number,
): (signal: AbortSignal) => Promise<Finding> {
  const reference = parseReference(name);
  const { registry, repository } = reference;
  let cached: { readonly credentials: Credentials | undefined; readonly untilMs: number } | undefined;

  const currentCredentials = async () => {
    if (cached && Date.now() < cached.untilMs) return cached.credentials;
    const credentials = await registryCredentials(settings, reference, identity);
    cached = { credentials, untilMs: settings.credentials === "ecr" ? Date.now() + ECR_CACHE_MS : 0 };
    return credentials;
  };
  const send = async (signal: AbortSignal): Promise<RegistryResult> => {
    let credentials: Credentials | undefined;
    try {
      credentials = await currentCredentials();
    } catch (error) {
      return { kind: "noCredentials", error: errorText(error) };
    }
    const client = new RegistryClient({ registry, credentials, attempts: 1, timeoutMs });
    try {
      await client.hasBlob(repository, EMPTY_BLOB, signal);
      return { kind: "ok" };
    } catch (error) {
      const status = error instanceof RegistryError ? error.status : undefined;
      if (status === undefined) return { kind: "unreachable", error: reasonOf(error) };
      cached = undefined;
      return { kind: "rejected", status, error: reasonOf(error) };
    } finally {
      client.close();
    }
  };
  return async (signal) => checkRegistry(name, credentialsName(settings), await send(signal));
}

function credentialsName(settings: AgentRegistrySettings): string {
  if (settings.credentials === "docker-config") return `the credentials in ${settings.dockerConfig}`;
  return settings.credentials === "ecr" ? "the pod's ECR password" : "requests without credentials";
}

/** Returns the reason of an error: the finding itself names operation, registry, status and remedy. */
function reasonOf(error: unknown): string {
  return errorText(error instanceof RegistryError ? error.reason : error);
}

/** Result of a request to the registry. Texts contain no secret. */
export type RegistryResult =
  | { readonly kind: "ok" }
  | { readonly kind: "noCredentials"; readonly error: string }
  | { readonly kind: "rejected"; readonly status: number; readonly error: string }
  | { readonly kind: "unreachable"; readonly error: string };

/** @param credentials as a noun phrase: `the credentials in /etc/...` */
export function checkRegistry(repository: string, credentials: string, result: RegistryResult): Finding {
  if (result.kind === "ok") return ok("registry", `${repository} responds`);
  if (result.kind === "noCredentials")
    return failed("registry", `there are no credentials for ${repository}: ${result.error}`);
  if (result.kind === "unreachable")
    return failed(
      "registry",
      `${repository} does not respond (${result.error})`,
      "Check route and DNS from this node to the registry",
    );
  const { status, error } = result;
  const response = error === "" ? String(status) : `${status} ${error}`;
  if (status === 401)
    return failed(
      "registry",
      `${repository} does not accept ${credentials} (${response})`,
      "Provide valid credentials",
    );
  if (status === 403)
    return failed(
      "registry",
      `${repository} denies access with ${credentials} (${response})`,
      "Allow the account to pull and push there",
    );
  return failed("registry", `${repository} rejects the request (${response})`);
}
