import type { StreamDigest } from "../../clients/node-service";

/** Blobs of a part that are in memory at a time, whole or the first 16 MiB of them. */
export const PARALLEL_SEGMENTS = 3;

/** Reads a blob in pieces, each of which is valid until the next one is read. */
export type OpenSegment<T> = (
  segment: T,
  options: { readonly signal: AbortSignal; readonly memory?: Buffer },
) => AsyncGenerator<Buffer>;

/**
 * Returns the content of blobs in their order. The first piece of some blobs is read ahead. A piece is valid until the next
 * one is read.
 *
 * @param open opens a blob. The signal is aborted when no more content is read. The memory is that of the first piece of
 *   another blob, which is not needed any more
 */
export async function* joined<T extends StreamDigest>(
  segments: readonly T[],
  open: OpenSegment<T>,
  outer: AbortSignal,
): AsyncGenerator<Buffer> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  let free: Buffer | undefined;
  const begin = (segment: T) => {
    const pieces = open(segment, { signal, ...(free === undefined ? {} : { memory: free }) });
    free = undefined;
    const first = pieces.next();
    // It is awaited in its order, or not at all after the failure of an earlier one.
    first.catch(() => undefined);
    return { pieces, first };
  };
  const ahead = segments.slice(0, PARALLEL_SEGMENTS).map(begin);
  try {
    for (let at = PARALLEL_SEGMENTS; ahead.length > 0; at++) {
      const { pieces, first } = ahead.shift()!;
      const { value, done } = await first;
      if (!done) {
        yield value;
        yield* pieces;
        free = value;
      }
      const next = segments[at];
      if (next !== undefined) ahead.push(begin(next));
    }
  } finally {
    stop.abort(new Error("the content is not read any more"));
  }
}
