import { createHash } from "node:crypto";
import type { Transport } from "./transport";
import type { BlobDigest } from "./upload";

const OPERATION = "download of a blob";

/** The longest piece of a blob. Small pieces take twice the processor time: each passes several loops. */
const PIECE_BYTES = 16 << 20;

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Whether the reader itself compares the digest. Default: false. */
  readonly unverified?: boolean;
  /** Memory for the pieces, if it is large enough. */
  readonly memory?: Buffer;
}

/**
 * Reads a blob in pieces, each of which is valid until the next one is read. After a temporary failure it continues where it
 * was; progress resets the count of attempts.
 *
 * @throws RegistryError; the signal's reason. The last bytes can be wrong if it throws: use them only after its end.
 */
export async function* download(
  transport: Transport,
  repository: string,
  { digest, size }: BlobDigest,
  { signal, unverified = false, memory }: DownloadOptions,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const failure = (reason: string) => transport.error(OPERATION, repository, reason, { status: 200 });
  const most = Math.min(size, PIECE_BYTES);
  const piece =
    memory !== undefined && memory.length >= most ? memory.subarray(0, most) : Buffer.allocUnsafeSlow(most);
  let filled = 0;
  let read = 0;
  for (let attempt = 1; read < size; attempt++) {
    try {
      const { status, content } = await transport.receive({
        operation: OPERATION,
        repository,
        method: "GET",
        to: `blobs/${digest}`,
        headers: read === 0 ? {} : { range: `bytes=${read}-` },
        accepted: [200, 206],
        signal,
      });
      // A registry may ignore the range, and send all again.
      let skip = status === 206 ? 0 : read;
      for await (const chunk of content) {
        let bytes = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - bytes.length;
        if (bytes.length === 0) continue;
        read += bytes.length;
        if (read > size) throw failure(`blob ${digest} has more than ${size} bytes`);
        if (!unverified) hash.update(bytes);
        attempt = 0;
        while (bytes.length > 0) {
          // The last piece waits for the end of the response, so that its connection is free while the reader is slow.
          if (filled === most) {
            yield piece;
            filled = 0;
          }
          const taken = bytes.copy(piece, filled);
          bytes = bytes.subarray(taken);
          filled += taken;
        }
      }
      if (read < size) throw failure(`blob ${digest} has ${read} bytes instead of ${size}`);
    } catch (error) {
      await transport.backOff(error, attempt, signal);
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
  if (unverified) return;
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) throw failure(`received ${found} instead of ${digest}`);
}
