import type { Connection } from "./connection";
import type { ExportedPart, ExportedSegment, StageRequest, StreamDigest } from "./types";

/** Returns the part whose response was received. */
export function exportedPart(connection: Connection, first: unknown): ExportedPart {
  const { size } = first as { readonly size: number };
  return {
    uncompressedSize: size,
    segments: segmentsOf(connection),
    close: () => connection.close(),
  };
}

async function* segmentsOf(connection: Connection): AsyncGenerator<ExportedSegment> {
  const free: Buffer[] = [];
  try {
    for (;;) {
      const { size, sha256 } = (await connection.result()) as StreamDigest;
      if (size === 0) return;
      // All segments but the last have one size.
      const last = free.pop();
      const memory = last !== undefined && last.length >= size ? last : Buffer.allocUnsafeSlow(size);
      const content = memory.subarray(0, size);
      await connection.fill(content);
      yield { size, sha256, content, release: () => void free.push(memory) };
    }
  } finally {
    connection.close();
  }
}

/**
 * Sends the bytes of a part that the service requested, and waits for its verdict, which it may give early.
 *
 * @throws NodeServiceError; what the content throws; Error if the content has another size
 */
export async function sendPart(
  connection: Connection,
  { segments, part }: StageRequest,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  let decided = false;
  const verdict = connection.result();
  // Wakes a write that the service no longer reads. An error is thrown below, unless the content fails first.
  const decision = verdict.then(
    () => (decided = true),
    () => (decided = true),
  );
  const size = segments.reduce((sum, segment) => sum + segment.size, 0);
  let sent = 0;
  for await (const bytes of content) {
    if (decided) break;
    sent += bytes.length;
    if (sent > size) break;
    await Promise.race([connection.write(bytes), decision]);
  }
  if (sent > size) throw new Error(`part ${part} has more than ${size} bytes`);
  connection.end();
  await verdict;
}
