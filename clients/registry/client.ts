import { createHash } from "node:crypto";
import { isDigest } from "./reference";
import { bytes, pushScope, Transport, type RegistryOptions } from "./transport";
import { cancelBegun, upload, type Blob } from "./upload";

export interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly content: Buffer;
}

/**
 * One registry by the distribution API of OCI. What is stored is named by its content, so everything can be sent again: what
 * fails for a passing reason is. No error holds a credential.
 */
export class RegistryClient {
  private readonly transport: Transport;

  constructor(options: RegistryOptions) {
    this.transport = new Transport(options);
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.transport.close();
  }

  /** @throws RegistryError */
  async hasBlob(repository: string, digest: string, signal?: AbortSignal): Promise<boolean> {
    return this.transport.retried(() => this.lookUp(repository, digest, signal), signal);
  }

  /**
   * Stores a blob, unless it is there already.
   *
   * @returns false where it was there
   * @throws RegistryError; whatever `open` throws; Error if the content is not as long as was said
   */
  async pushBlob(repository: string, blob: Blob, signal?: AbortSignal): Promise<boolean> {
    return this.transport.retried(async () => {
      // Whoever may not look may not push either, most likely; but only the refusal of a push says why in words.
      if (await this.lookUp(repository, blob.digest, signal, [200, 403, 404])) return false;
      await upload(this.transport, repository, blob, signal);
      return true;
    }, signal);
  }

  /**
   * Makes a blob of another repository of this registry one of this repository too, without sending it.
   *
   * @returns false where the registry does not: the blob must be pushed then
   * @throws RegistryError
   */
  async mountBlob(repository: string, digest: string, from: string, signal?: AbortSignal): Promise<boolean> {
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const answer = await this.transport.retried(
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
    if (answer.status === 201) return true;
    await cancelBegun(this.transport, repository, answer);
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
          body: () => bytes(content),
          accepted: [201],
          signal,
        }),
      signal,
    );
    const stored = headers["docker-content-digest"];
    if (stored === undefined || stored === digest) return digest;
    throw this.transport.error(
      operation,
      repository,
      `it was stored as ${String(stored)}, not as ${digest}`,
      { status: 201 },
    );
  }

  /**
   * Reads a manifest by tag or digest. One that was asked for by digest is checked against it.
   *
   * @returns undefined if there is none
   * @throws RegistryError
   */
  async getManifest(
    repository: string,
    reference: string,
    signal?: AbortSignal,
  ): Promise<Manifest | undefined> {
    const operation = "look-up of a manifest";
    const { status, headers, body } = await this.transport.retried(
      () =>
        this.transport.send({
          operation,
          repository,
          method: "GET",
          to: `manifests/${reference}`,
          headers: { accept: MANIFESTS },
          accepted: [200, 404],
          signal,
        }),
      signal,
    );
    if (status === 404) return undefined;
    const digest = digestOf(body);
    if (isDigest(reference) && digest !== reference)
      throw this.transport.error(operation, repository, `${reference} was asked for, ${digest} was given`, {
        status,
      });
    return { mediaType: headers["content-type"] ?? "", digest, content: body };
  }

  private async lookUp(
    repository: string,
    digest: string,
    signal?: AbortSignal,
    accepted: readonly number[] = [200, 404],
  ): Promise<boolean> {
    const call = { operation: "look-up of a blob", repository, accepted, signal };
    const { status } = await this.transport.send({ ...call, method: "HEAD", to: `blobs/${digest}` });
    return status === 200;
  }
}

const MANIFESTS = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** `sha256:...` of bytes. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
