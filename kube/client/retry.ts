import { hasStatus } from "./errors";

/** Attempts before a conflict is thrown. */
const ATTEMPTS = 5;

/**
 * Writes an object, and once more after each conflict (409, or 422 for a failed test of a JSON patch), at most 5 times.
 *
 * @param write one attempt
 * @param refresh reads the object again before the next attempt; returns false if it was deleted
 * @returns the result of `write`, or undefined if the object was deleted
 * @throws what `write` throws, also the last conflict
 */
export async function retryOnConflict<R>(
  write: () => Promise<R>,
  refresh: () => Promise<boolean>,
): Promise<R | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      if (!hasStatus(error, 409, 422) || attempt === ATTEMPTS) throw error;
    }
    if (!(await refresh())) return undefined;
  }
}
