import { createHash, type Hash } from "node:crypto";
import type { Answer, Content } from "./exchange";
import type { Transport } from "./transport";

export interface Blob {
  /** Opened again for each attempt. What it throws is thrown as it is, and nothing is stored. */
  readonly open: () => Content;
  /** In bytes. */
  readonly size: number;
  /** If it is known beforehand, a blob that is there already is not sent. */
  readonly digest?: string;
}

const OPERATION = "upload of a blob";
const BYTES = { "content-type": "application/octet-stream" };

/**
 * One attempt to store a blob. With its digest known: POST and PUT. Else POST, PATCH with the blob, and PUT with the digest that
 * was made of what was sent. An attempt that fails is cancelled, so that the registry keeps no half of a blob.
 *
 * @returns the digest
 */
export async function upload(
  transport: Transport,
  repository: string,
  blob: Blob,
  signal?: AbortSignal,
): Promise<string> {
  const call = { operation: OPERATION, repository, headers: BYTES, signal };
  const begun = await transport.send({ ...call, method: "POST", to: "blobs/uploads/", accepted: [202] });
  let place = transport.location(OPERATION, repository, begun, transport.origin);
  const tap = new Tap(blob);
  try {
    if (blob.digest !== undefined) {
      const to = withDigest(place, blob.digest);
      await transport.send({
        ...call,
        method: "PUT",
        to,
        body: tap.body,
        accepted: [201],
        long: true,
        commits: true,
      });
      return blob.digest;
    }
    const patch = { ...call, method: "PATCH", to: place, body: tap.body, long: true } as const;
    const sent = await transport.send({ ...patch, accepted: [202, 204] });
    place = transport.location(OPERATION, repository, sent, place);
    const digest = tap.digest();
    await transport.send({
      ...call,
      method: "PUT",
      to: withDigest(place, digest),
      accepted: [201],
      commits: true,
    });
    return digest;
  } catch (error) {
    await cancel(transport, repository, place);
    throw error;
  }
}

/** Lets the registry forget the upload that an answer has begun. */
export async function cancelBegun(transport: Transport, repository: string, answer: Answer): Promise<void> {
  if (answer.headers.location === undefined) return;
  await cancel(transport, repository, transport.location(OPERATION, repository, answer, transport.origin));
}

/** If the registry cannot be told, it forgets by itself: why the upload ended is what matters. */
async function cancel(transport: Transport, repository: string, to: URL): Promise<void> {
  const operation = "end of an upload";
  await transport
    .send({ operation, repository, method: "DELETE", to, accepted: [202, 204, 404, 405] })
    .catch(() => undefined);
}

/** The location may have a query of its own, which is the registry's and stays as it is. */
function withDigest(place: URL, digest: string): URL {
  const url = new URL(place);
  url.search += `${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** Makes the digest of content while it passes, and holds it to its size. */
class Tap {
  private hash: Hash = createHash("sha256");

  constructor(private readonly blob: Blob) {}

  /** Starts over: the same request is sent again with authorization. */
  readonly body = () => {
    this.hash = createHash("sha256");
    return { content: this.passed(this.hash), length: this.blob.size };
  };

  digest(): string {
    return `sha256:${this.hash.digest("hex")}`;
  }

  private async *passed(hash: Hash): AsyncGenerator<Uint8Array> {
    const { open, size } = this.blob;
    let seen = 0;
    for await (const chunk of open()) {
      seen += chunk.length;
      if (seen > size) break;
      hash.update(chunk);
      yield chunk;
    }
    if (seen !== size) throw new Error(`the content is not ${size} bytes long: it changed meanwhile`);
  }
}
