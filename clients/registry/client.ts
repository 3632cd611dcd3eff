import { createHash } from "node:crypto";
import type { Content, HttpResponse } from "../../http";
import { Transport, pushScope, type RegistryOptions } from "./transport";
import { RegistryError } from "./errors";
import { isDigest } from "./reference";

export interface Blob {
  /** Opens the content for each attempt. Its errors are rethrown, and nothing is stored. */
  readonly open: () => Content;
  /** In bytes. */
  readonly size: number;
  /** `sha256:...` */
  readonly digest: string;
}

const OPERATION = "upload of a blob";
const HEADERS = { "content-type": "application/octet-stream" };

/** Stores a blob in one attempt: POST and PUT. A failed upload is canceled, so that the registry keeps no part of it. */
export async function upload(
  transport: Transport,
  repository: string,
  blob: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const call = { operation: OPERATION, repository, headers: HEADERS, signal };
  const started = await transport.send({ ...call, method: "POST", to: "blobs/uploads/", accepted: [202] });
  const location = transport.location(OPERATION, repository, started, transport.origin);
  try {
    await transport.send({
      ...call,
      method: "PUT",
      to: withDigest(location, blob.digest),
      body: () => ({ content: checkedContent(blob), length: blob.size }),
      accepted: [201],
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
  response: HttpResponse,
): Promise<void> {
  if (response.headers.location === undefined) return;
  await cancel(transport, repository, transport.location(OPERATION, repository, response, transport.origin));
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

export interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly content: Buffer;
}

/**
 * Client of one registry by OCI's distribution API. Requests are idempotent, because digests identify content: temporary
 * failures are retried. Errors contain no credentials.
 */
export class RegistryClient {
  private readonly transport: Transport;

  constructor(options: RegistryOptions) {
    this.transport = new Transport(options);
  }

  /** Closes idle connections. */
  close(): void {
    this.transport.close();
  }

  /** Checks whether the registry has a blob. @throws RegistryError */
  async hasBlob(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    return this.transport.retried(() => this.lookUp(repository, digest, signal), signal);
  }

  /**
   * Stores a blob, unless the registry has it.
   *
   * @returns false if the registry had it
   * @throws RegistryError; whatever `open` throws; Error if the content has another size
   */
  async pushBlob(repository: string, blob: Blob, signal?: AbortSignal): Promise<boolean> {
    return this.transport.retried(async () => {
      if (await this.isStored(repository, blob.digest, signal)) return false;
      await upload(this.transport, repository, blob, signal);
      return true;
    }, signal);
  }

  /**
   * Adds a blob of another repository of this registry to this repository, without sending it.
   *
   * @returns false if the registry does not mount it: the blob must be pushed
   * @throws RegistryError
   */
  async mountBlob(repository: string, digest: string, from: string, signal?: AbortSignal): Promise<boolean> {
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const response = await this.transport.retried(
      () =>
        this.transport.send({
          operation: `mount of a blob of ${from}`,
          repository,
          method: "POST",
          to: `blobs/uploads/?${query}`,
          scope: `${pushScope(repository)} repository:${from}:pull`,
          accepted: [201, 202],
          signal,
        }),
      signal,
    );
    if (response.status === 201) return true;
    await cancelStarted(this.transport, repository, response);
    return false;
  }

  /**
   * Stores a manifest under a tag, or under its digest.
   *
   * @returns its digest
   * @throws RegistryError
   */
  async putManifest(
    repository: string,
    reference: string,
    { mediaType, content }: Pick<Manifest, "mediaType" | "content">,
    signal?: AbortSignal,
  ): Promise<string> {
    const operation = "push of a manifest";
    const digest = digestOf(content);
    const { headers } = await this.transport.retried(
      () =>
        this.transport.send({
          operation,
          repository,
          method: "PUT",
          to: `manifests/${reference}`,
          headers: { "content-type": mediaType },
          body: () => content,
          accepted: [201],
          signal,
        }),
      signal,
    );
    const stored = headers["docker-content-digest"];
    if (stored === undefined || stored === digest) return digest;
    const message = `stored as ${String(stored)} instead of ${digest}`;
    throw this.transport.error(operation, repository, message, { status: 201 });
  }

  /**
   * Reads a manifest by tag or digest. The content of one that is read by digest is checked.
   *
   * @returns undefined if there is none
   * @throws RegistryError
   */
  async getManifest(
    repository: string,
    reference: string,
    signal?: AbortSignal,
  ): Promise<Manifest | undefined> {
    const operation = "read of a manifest";
    const { status, headers, body } = await this.transport.retried(
      () =>
        this.transport.send({
          operation,
          repository,
          method: "GET",
          to: `manifests/${reference}`,
          headers: { accept: MANIFEST_TYPES },
          accepted: [200, 404],
          signal,
        }),
      signal,
    );
    if (status === 404) return undefined;
    const digest = digestOf(body);
    if (isDigest(reference) && digest !== reference)
      throw this.transport.error(operation, repository, `received ${digest} instead of ${reference}`, {
        status,
      });
    return { mediaType: headers["content-type"] ?? "", digest, content: body };
  }

  /** Returns false also if the registry rejects the look-up: that response has no message, but that of the following push has. */
  private async isStored(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    try {
      return await this.lookUp(repository, digest, signal);
    } catch (error) {
      if (error instanceof RegistryError && error.status !== undefined) return false;
      throw error;
    }
  }

  private async lookUp(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    const operation = "look-up of a blob";
    const call = { operation, repository, accepted: [200, 404], signal };
    const { status } = await this.transport.send({ ...call, method: "HEAD", to: `blobs/${digest}` });
    return status === 200;
  }
}

const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** Returns `sha256:...` of bytes. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
