import { createHash } from "node:crypto";
import type { Transport } from "./transport";
import type { BlobDigest } from "./upload";

const OPERATION = "download of a blob";

/**
 * Reads a blob. After a temporary failure it continues where it was; progress resets the count of attempts.
 *
 * @throws RegistryError; the signal's reason. The last bytes can be wrong if it throws: use them only after its end.
 */
export async function* download(
  transport: Transport,
  repository: string,
  { digest, size }: BlobDigest,
  { signal, unverified }: { readonly signal?: AbortSignal; readonly unverified: boolean },
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const failure = (reason: string) => transport.error(OPERATION, repository, reason, { status: 200 });
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
        const bytes = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - bytes.length;
        if (bytes.length === 0) continue;
        read += bytes.length;
        if (read > size) throw failure(`blob ${digest} has more than ${size} bytes`);
        if (!unverified) hash.update(bytes);
        attempt = 0;
        yield bytes;
      }
      if (read < size) throw failure(`blob ${digest} has ${read} bytes instead of ${size}`);
    } catch (error) {
      await transport.backOff(error, attempt, signal);
    }
  }
  if (unverified) return;
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) throw failure(`received ${found} instead of ${digest}`);
}
