import { parseReference, RegistryClient, RegistryError, type Credentials } from "../../clients/registry";
import type { AgentRegistrySettings, AgentSettings } from "../../config/programs/agent";
import { registryCredentials, type Identity } from "../registry";
import type { Finding } from "./finding";
import { wordsOf } from "./probe";
import { checkRegistry, type RegistryAnswer } from "./rules/remote";

/** Of no bytes. Whether the registry has it does not matter: it is asked whether this account may ask. */
const EMPTY_BLOB = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** A password of ECR is good for 12 hours. */
const ECR_GOOD_FOR_MS = 6 * 3_600_000;

/** A check that asks the registry as a push would begin: with the same credentials, for the right to pull and push. */
export function registryCheck(
  { repository: name, registry: settings }: Pick<AgentSettings, "repository" | "registry">,
  identity: Identity,
  timeoutMs: number,
): (signal: AbortSignal) => Promise<Finding> {
  const reference = parseReference(name);
  const { registry, repository } = reference;
  let kept: { readonly credentials: Credentials | undefined; readonly untilMs: number } | undefined;

  const credentialsNow = async () => {
    if (kept && Date.now() < kept.untilMs) return kept.credentials;
    const credentials = await registryCredentials(settings, reference, identity);
    kept = { credentials, untilMs: settings.credentials === "ecr" ? Date.now() + ECR_GOOD_FOR_MS : 0 };
    return credentials;
  };
  const ask = async (signal: AbortSignal): Promise<RegistryAnswer> => {
    let credentials: Credentials | undefined;
    try {
      credentials = await credentialsNow();
    } catch (error) {
      return { kind: "noCredentials", error: wordsOf(error) };
    }
    const client = new RegistryClient({ registry, credentials, attempts: 1, timeoutMs });
    try {
      await client.hasBlob(repository, EMPTY_BLOB, signal);
      return { kind: "ok" };
    } catch (error) {
      const status = error instanceof RegistryError ? error.status : undefined;
      if (status === undefined) return { kind: "unreachable", error: reasonOf(error) };
      kept = undefined;
      return { kind: "refused", status, error: reasonOf(error) };
    } finally {
      client.close();
    }
  };
  return async (signal) => checkRegistry(name, shownBy(settings), await ask(signal));
}

function shownBy(settings: AgentRegistrySettings): string {
  if (settings.credentials === "docker-config") return `the credentials in ${settings.dockerConfig}`;
  return settings.credentials === "ecr" ? "the pod's password of ECR" : "requests without credentials";
}

/** Returns the reason of an error: the finding itself names operation, registry, status and remedy. */
function reasonOf(error: unknown): string {
  return wordsOf(error instanceof RegistryError ? error.reason : error);
}
