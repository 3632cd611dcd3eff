import type { Connection } from "./connection";
import { NodeServiceError } from "./error";
import type { ExportedPart, StageRequest } from "./types";

/** In place of a chunk's length: the line of an error follows. */
const FAILED = 0xffff_ffff;

/** Bytes that are passed on at once. */
const READ_BYTES = 1 << 20;

/** Returns the part whose response was received. */
export function exportedPart(connection: Connection, first: unknown): ExportedPart {
  const { size } = first as { readonly size: number };
  return {
    uncompressedSize: size,
    content: contentOf(connection),
    close: () => connection.close(),
  };
}

async function* contentOf(connection: Connection): AsyncGenerator<Buffer> {
  try {
    for (;;) {
      let left = (await connection.bytes(4)).readUInt32BE();
      if (left === 0) return;
      if (left === FAILED) {
        await connection.result();
        throw new NodeServiceError("the service ended a stream without a reason");
      }
      while (left > 0) {
        const bytes = await connection.someBytes(Math.min(left, READ_BYTES));
        left -= bytes.length;
        yield bytes;
      }
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
