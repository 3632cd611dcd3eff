import { createHash } from "node:crypto";
import { download, type DownloadOptions } from "./download";
import { RegistryError } from "./errors";
import { isDigest } from "./reference";
import { listTags, type ListTagsOptions } from "./tags";
import { pushScope, Transport, type RegistryOptions } from "./transport";
import { cancelStarted, STORED, upload, type Blob, type BlobDigest } from "./upload";

export interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly content: Buffer;
}

type ManifestContent = Pick<Manifest, "mediaType" | "content">;

/**
 * Client of one registry by OCI's distribution API. Digests name what is stored, so every request can be repeated: temporary
 * failures are retried. No error contains a credential.
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

  /** @throws RegistryError */
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
   * Reads a blob in pieces of at most 16 MiB and compares its digest and size. A piece is valid until the next one is read. A
   * broken connection is continued, not begun again.
   *
   * @throws RegistryError, also at the end for another digest; the signal's reason
   */
  pullBlob(repository: string, blob: BlobDigest, options: DownloadOptions = {}): AsyncGenerator<Buffer> {
    return download(this.transport, repository, blob, options);
  }

  /**
   * Deletes a manifest by its digest. The registry deletes its blobs later, when no other manifest names them.
   *
   * @returns false if there was none
   * @throws RegistryError, with status 405 or 501 if the registry deletes nothing by this API, 404 if it does not serve it
   */
  async deleteManifest(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    const scope = `repository:${repository}:pull,delete`;
    const operation = "deletion of a manifest";
    const call = { operation, repository, scope, accepted: [200, 202, 204, 404], signal };
    const response = await this.transport.retried(
      () => this.transport.send({ ...call, method: "DELETE", to: `manifests/${digest}` }),
      signal,
    );
    if (response.status !== 404) return true;
    // Without the code, it may be a path that the registry, or a proxy before it, does not serve: nothing was deleted.
    const error = this.transport.responseError(operation, repository, response);
    if (error.code === undefined) throw error;
    return false;
  }

  /**
   * Lists the tags of a repository, page by page. A repository that does not exist has none.
   *
   * @param pageSize tags that are requested at a time; a registry may send fewer. Default: 100
   * @throws RegistryError
   */
  listTags(repository: string, options: ListTagsOptions = {}): AsyncGenerator<readonly string[]> {
    return listTags(this.transport, repository, options);
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
   * Stores a manifest under a tag, or under its digest. If the tag is immutable and the registry has it, the manifest may be
   * stored already, because the response to an earlier request was lost. If the tag names another manifest, it stays, and the
   * manifest is stored under its digest only.
   *
   * @returns its digest
   * @throws RegistryError
   */
  async putManifest(
    repository: string,
    reference: string,
    manifest: ManifestContent,
    signal?: AbortSignal,
  ): Promise<string> {
    try {
      return await this.sendManifest(repository, reference, manifest, signal);
    } catch (error) {
      if (isDigest(reference) || !mayBeImmutable(error)) throw error;
      const stored = await this.getManifest(repository, reference, signal).catch(() => undefined);
      if (stored === undefined) throw error;
      const digest = digestOf(manifest.content);
      return stored.digest === digest ? digest : this.sendManifest(repository, digest, manifest, signal);
    }
  }

  private async sendManifest(
    repository: string,
    reference: string,
    { mediaType, content }: ManifestContent,
    signal?: AbortSignal,
  ): Promise<string> {
    const operation = "push of a manifest";
    const digest = digestOf(content);
    const { status, headers } = await this.transport.retried(
      () =>
        this.transport.send({
          operation,
          repository,
          method: "PUT",
          to: `manifests/${reference}`,
          headers: { "content-type": mediaType },
          body: () => content,
          accepted: STORED,
          signal,
        }),
      signal,
    );
    const stored = headers["docker-content-digest"];
    if (stored === undefined || stored === digest) return digest;
    const message = `stored as ${String(stored)} instead of ${digest}`;
    throw this.transport.error(operation, repository, message, { status });
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
    if (status === 404) {
      // A proxy whose registry is down can send 404 too, without a code of the specification.
      const error = this.transport.responseError(operation, repository, { status, headers, body });
      if (body.length > 0 && error.code === undefined) throw error;
      return undefined;
    }
    const digest = digestOf(body);
    if (isDigest(reference) && digest !== reference)
      throw this.transport.error(operation, repository, `received ${digest} instead of ${reference}`, {
        status,
      });
    return { mediaType: headers["content-type"] ?? "", digest, content: body };
  }

  /** Returns false also if the registry rejects the look-up: that has no message, and the push that follows gets one. */
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

/**
 * Returns whether a registry may respond so for a tag that it does not overwrite: ECR with 400 TAG_INVALID, Quay and Harbor with
 * 409 and 412, others with 403, 405 or 422.
 */
function mayBeImmutable(error: unknown): boolean {
  return error instanceof RegistryError && [400, 403, 405, 409, 412, 422].includes(error.status ?? 0);
}

/** Returns `sha256:...` of bytes. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
