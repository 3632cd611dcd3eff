/**
 * Calls a function for each item, at most so many at a time. After a failure no other call starts, the signal of those in
 * flight is aborted, and their end is awaited.
 *
 * @returns the results in the order of the items
 * @throws the first failure
 */
export async function parallel<T, R>(
  items: readonly T[],
  limit: number,
  call: (item: T, signal: AbortSignal) => Promise<R>,
  outer?: AbortSignal,
): Promise<R[]> {
  const stop = new AbortController();
  const { signal } = stop;
  const abort = () => stop.abort(outer?.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort, { once: true });
  const results: R[] = [];
  const failures: unknown[] = [];
  const left = items.entries();
  const work = async () => {
    for (const [at, item] of left) {
      if (signal.aborted) return;
      try {
        results[at] = await call(item, signal);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  outer?.removeEventListener("abort", abort);
  outer?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results;
}
