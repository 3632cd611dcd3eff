import { createHash } from "node:crypto";
import type { StreamDigest } from "../../clients/node-service";

/**
 * Bytes of a blob, unless the part is very large. A part is stored as several blobs, so that they are sent and received at a
 * time, and so that the digest of each is known before it is sent: a registry can store it while it arrives.
 */
export const SEGMENT_BYTES = 16 << 20;
/** A manifest has at most 4 MiB in many registries, and a layer takes 400 bytes of it. */
const MOST_SEGMENTS = 1024;

/** Returns the bytes of the blobs of a part, but the last one. */
export function segmentBytes(uncompressedSize: number): number {
  return Math.max(SEGMENT_BYTES, Math.ceil(uncompressedSize / MOST_SEGMENTS));
}

/** Blobs of a part that are in memory at a time. */
export const PARALLEL_SEGMENTS = 3;

/** A blob with its content. */
export interface Segment extends StreamDigest {
  readonly chunks: readonly Uint8Array[];
}

/** Divides the content of a part into segments of so many bytes, of which the last can have fewer. */
export async function* segmentsOf(content: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Segment> {
  let [chunks, size, hash] = [[] as Uint8Array[], 0, createHash("sha256")];
  for await (let rest of content) {
    while (rest.length > 0) {
      const chunk = rest.subarray(0, most - size);
      rest = rest.subarray(chunk.length);
      chunks.push(chunk);
      size += chunk.length;
      hash.update(chunk);
      if (size < most) continue;
      yield { chunks, size, sha256: hash.digest("hex") };
      [chunks, size, hash] = [[], 0, createHash("sha256")];
    }
  }
  if (size > 0) yield { chunks, size, sha256: hash.digest("hex") };
}

/**
 * Returns the content of blobs in their order. Reads some of them ahead, each as a whole; a single one is passed on as it
 * arrives.
 *
 * @param open opens a blob. The signal is aborted when no more content is read
 */
export async function* joined<T extends StreamDigest>(
  segments: readonly T[],
  open: (segment: T, signal: AbortSignal) => AsyncIterable<Uint8Array>,
  outer: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const [first] = segments;
  if (first !== undefined && segments.length === 1) {
    yield* open(first, signal);
    return;
  }
  const read = async (segment: T) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of open(segment, signal)) chunks.push(chunk);
    return chunks;
  };
  const begin = (segment: T) => {
    const reading = read(segment);
    // It is awaited in its order, or not at all after the failure of an earlier one.
    reading.catch(() => undefined);
    return reading;
  };
  const ahead = segments.slice(0, PARALLEL_SEGMENTS).map(begin);
  try {
    for (let at = PARALLEL_SEGMENTS; ahead.length > 0; at++) {
      const chunks = await ahead.shift()!;
      const next = segments[at];
      if (next !== undefined) ahead.push(begin(next));
      yield* chunks;
    }
  } finally {
    stop.abort(new Error("the content is not read any more"));
  }
}
