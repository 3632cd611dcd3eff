import type { Content } from "../../http";
import type { LocatedResponse, Transport } from "./transport";

export interface Blob {
  /** Opens the content for each attempt. Its errors are rethrown, and nothing is stored. */
  readonly open: () => Content;
  /** In bytes. */
  readonly size: number;
  /** `sha256:...` */
  readonly digest: string;
}

/** Digest and size of a blob in bytes. */
export interface BlobDigest {
  readonly digest: string;
  readonly size: number;
}

/** Statuses that say that the content is stored. The specification has 201; proxies and some registries send the others. */
export const STORED = [200, 201, 202, 204];

const OPERATION = "upload of a blob";
/** Statuses with the location of an upload. The specification has 202. */
const STARTED = [200, 201, 202, 204];
const HEADERS = { "content-type": "application/octet-stream" };

/** Stores a blob in one attempt: POST and PUT. A failed upload is canceled, so that the registry keeps no part of it. */
export async function upload(
  transport: Transport,
  repository: string,
  blob: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const call = { operation: OPERATION, repository, headers: HEADERS, signal };
  const started = await transport.send({ ...call, method: "POST", to: "blobs/uploads/", accepted: STARTED });
  const location = transport.location(OPERATION, repository, started, started.url);
  try {
    await transport.send({
      ...call,
      method: "PUT",
      to: withDigest(location, blob.digest),
      body: () => ({ content: checkedContent(blob), length: blob.size }),
      accepted: STORED,
      isUpload: true,
    });
  } catch (error) {
    await cancel(transport, repository, location);
    throw error;
  }
}

/** Cancels the upload that a response started. */
export async function cancelStarted(
  transport: Transport,
  repository: string,
  response: LocatedResponse,
): Promise<void> {
  if (response.headers.location === undefined) return;
  await cancel(transport, repository, transport.location(OPERATION, repository, response, response.url));
}

/** Cancels an upload. A failure is ignored: the registry removes old uploads itself. */
async function cancel(transport: Transport, repository: string, to: URL): Promise<void> {
  const operation = "cancellation of an upload";
  await transport
    .send({ operation, repository, method: "DELETE", to, accepted: [202, 204, 404, 405] })
    .catch(() => undefined);
}

/** Adds the digest to a location. Keeps the query that the registry set. */
function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.search += `${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** Reads the content of a blob and checks its size. */
async function* checkedContent({ open, size }: Blob): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of open()) {
    bytes += chunk.length;
    if (bytes > size) break;
    yield chunk;
  }
  if (bytes !== size) throw new Error(`the content changed during the upload: it is not ${size} bytes`);
}
