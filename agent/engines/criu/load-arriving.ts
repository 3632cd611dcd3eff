import { NodeServiceError, type Outcome } from "../../../clients/node-service";
import { RegistryError } from "../../../clients/registry";
import { exponential, sleep } from "../../../kube";
import { ArtifactError } from "../../artifact";
import type { CriuContext } from "./context";
import { isTemporary, MAX_MESSAGE, retried, textOf } from "./service";

/** How often damaged or missing memory is pulled: it can be damaged on the way. */
const DAMAGED_ATTEMPTS = 3;

export interface ArrivingOptions {
  readonly image: string;
  readonly podUID: string;
  /** Reads what the runtime did with the plan of the pod. */
  readonly outcome: () => Promise<Outcome>;
  readonly signal: AbortSignal;
}

/**
 * Pulls memory that was not staged, until none is missing. If a part of it is damaged or deleted in the registry, the containers
 * are killed.
 *
 * @throws the signal's reason
 */
export async function loadArriving(context: CriuContext, options: ArrivingOptions): Promise<void> {
  const { node, artifacts, pulls, times, log } = context;
  const { image, podUID, outcome, signal } = options;
  for (let attempt = 0, damaged = 0; ; attempt++) {
    const { containers } = await outcome();
    if (!containers.some(({ arriving }) => arriving)) return;
    try {
      // Processes wait for this memory, so it comes before pulls of other pods.
      await pulls.take(signal, true);
      try {
        await artifacts.load({ image, podUID }, signal);
      } finally {
        pulls.release();
      }
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ podUID, err: error, attempt }, "cannot load the memory of a pod; retrying");
      if (isDamaged(error) && ++damaged === DAMAGED_ATTEMPTS) {
        const message = textOf(error).slice(0, MAX_MESSAGE);
        await retried(
          () => node.loseMemory({ podUID, message }, signal),
          times.backoffMs,
          signal,
          isTemporary,
        );
        return;
      }
    }
    await sleep(exponential(...times.backoffMs, attempt), signal);
  }
}

/** Returns whether memory differs from its digest, or is not in the registry. */
function isDamaged(error: unknown): boolean {
  if (error instanceof ArtifactError) return true;
  if (error instanceof RegistryError) return error.status === 404;
  return error instanceof NodeServiceError && error.reason === "ContentInvalid";
}
