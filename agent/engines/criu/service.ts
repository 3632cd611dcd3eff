import { messageOf } from "../../../http";
import { NodeServiceError } from "../../../clients/node-service";
import { exponential, sleep } from "../../../kube";

/** Maximum length of a message to the service, in UTF-16 units: at most 3072 of its 4096 bytes. */
export const MAX_MESSAGE = 1024;

/** Returns whether the same request may succeed later. */
export function isTemporary(error: unknown): boolean {
  return error instanceof NodeServiceError && error.retryable;
}

/** Returns the message with the remedy, if there is one. */
export function textOf(error: unknown): string {
  const remedy = error instanceof NodeServiceError ? error.remedy : undefined;
  return remedy === undefined ? messageOf(error) : `${messageOf(error)}. Remedy: ${remedy}`;
}

/**
 * Retries until it succeeds, however long the service of the node is unavailable.
 * @param retries returns false for an error that is thrown
 * @throws the signal's reason
 */
export async function retried<T>(
  work: () => Promise<T>,
  backoffMs: readonly [number, number],
  signal: AbortSignal,
  retries: (error: unknown, attempt: number) => boolean,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!retries(error, attempt)) throw error;
    }
    await sleep(exponential(...backoffMs, attempt), signal);
  }
}
