import { NodeServiceError } from "../../../clients/node-service";
import { RegistryError } from "../../../clients/registry";
import { InvalidInputError } from "../../../config/schema";
import { ArtifactError } from "../../artifact";
import { CheckpointFailure } from "../../work";
import { textOf } from "./service";

/** Attempts before a registry's 401 or 403 ends a push: new roles and passwords need some seconds to be known everywhere. */
const DENIED_ATTEMPTS = 3;

/** Returns what decides about the errors of one push: whether a retry can succeed. */
export function fatalPushes(): (error: unknown) => Promise<Error | undefined> {
  let denied = 0;
  return async (error) => {
    if (error instanceof InvalidInputError) return new CheckpointFailure("RegistryFailed", error.message);
    if (error instanceof ArtifactError || (error instanceof NodeServiceError && !error.retryable))
      return new CheckpointFailure("CheckpointFailed", textOf(error));
    if (!(error instanceof RegistryError) || !isRejection(error)) return undefined;
    if (isDenied(error) && ++denied < DENIED_ATTEMPTS) return undefined;
    return new CheckpointFailure("RegistryFailed", `the registry rejects the checkpoint: ${error.message}`);
  };
}

const isDenied = ({ status = 0 }: RegistryError) => [401, 403].includes(status);

/** Returns whether the registry itself rejects the content or the account. A proxy without a registry can send 404, for example. */
function isRejection(error: RegistryError): boolean {
  return !error.retryable && (error.code !== undefined || error.status === 413 || isDenied(error));
}

/** Returns the delay that a registry requests, ms; 0 for none. */
export function retryAfterMs(error: unknown): number {
  return error instanceof RegistryError ? (error.retryAfterMs ?? 0) : 0;
}
