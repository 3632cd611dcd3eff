import { constants } from "node:buffer";
import type { JsonObject } from "../../http";
import type { Connection } from "./connection";
import type { ExportedPart, ExportedSegment, LoadRequest } from "./types";

/** Returns the part whose response was received. */
export function exportedPart(connection: Connection, first: JsonObject): ExportedPart {
  const size = sizeIn(connection, first);
  return {
    uncompressedSize: size,
    segments: segmentsOf(connection),
    close: () => connection.close(),
  };
}

/** Returns the size that a line announces. @throws NodeServiceError if it is not a size */
function sizeIn(connection: Connection, { size }: JsonObject): number {
  if (typeof size === "number" && Number.isSafeInteger(size) && size >= 0) return size;
  throw connection.malformed("size");
}

async function* segmentsOf(connection: Connection): AsyncGenerator<ExportedSegment> {
  const free: Buffer[] = [];
  try {
    for (;;) {
      const head = await connection.result();
      const size = sizeIn(connection, head);
      if (size === 0) return;
      const { sha256 } = head;
      if (size > constants.MAX_LENGTH) throw connection.malformed("size of a segment");
      if (typeof sha256 !== "string") throw connection.malformed("sha256");
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
  { segments, part }: LoadRequest,
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
