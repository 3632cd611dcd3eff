/**
 * Calls a function for each item, at most so many at a time. An item is read only when it can be processed at once. After a
 * failure no other call starts, the signal of those in flight is aborted, and their end is awaited.
 *
 * @returns the results in the order of the items
 * @throws the first failure, of the items or of a call
 */
export async function parallel<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
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
  // A generator serves calls of next() one after the other.
  const left = numbered(items);
  const work = async () => {
    try {
      for (let next = await left.next(); !next.done && !signal.aborted; next = await left.next()) {
        const [at, item] = next.value;
        results[at] = await call(item, signal);
      }
    } catch (error) {
      failures.push(error);
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  await left.return(undefined).catch((error: unknown) => failures.push(error));
  outer?.removeEventListener("abort", abort);
  outer?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results;
}

async function* numbered<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<[number, T], undefined> {
  let at = 0;
  for await (const item of items) yield [at++, item];
  return undefined;
}
