import type { Answer, Content } from "./exchange";
import type { Transport } from "./transport";

export interface Blob {
  /** Opened again for each attempt. What it throws is thrown as it is, and nothing is stored. */
  readonly open: () => Content;
  /** In bytes. */
  readonly size: number;
  /** `sha256:...` */
  readonly digest: string;
}

const OPERATION = "upload of a blob";
const BYTES = { "content-type": "application/octet-stream" };

/** One attempt to store a blob: POST and PUT. One that fails is cancelled, so that the registry keeps no half of a blob. */
export async function upload(
  transport: Transport,
  repository: string,
  blob: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const call = { operation: OPERATION, repository, headers: BYTES, signal };
  const begun = await transport.send({ ...call, method: "POST", to: "blobs/uploads/", accepted: [202] });
  const place = transport.location(OPERATION, repository, begun, transport.origin);
  try {
    await transport.send({
      ...call,
      method: "PUT",
      to: withDigest(place, blob.digest),
      body: () => ({ content: whole(blob), length: blob.size }),
      accepted: [201],
      long: true,
    });
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

/** The content of a blob, held to its size. */
async function* whole({ open, size }: Blob): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of open()) {
    seen += chunk.length;
    if (seen > size) break;
    yield chunk;
  }
  if (seen !== size) throw new Error(`the content is not ${size} bytes long: it changed meanwhile`);
}
