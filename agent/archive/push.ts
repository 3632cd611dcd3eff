import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { digestOf, formatReference, type ImageReference, type RegistryClient } from "../../clients/registry";
import { checkpointImage, MANIFEST } from "./image";
import { ArchiveError, ArchiveInspector } from "./inspector";
import { metadataOf, type ArchiveMetadata } from "./metadata";

export interface PushOptions {
  /** Path of the archive. */
  readonly file: string;
  /** Reference of the image; without a tag it is stored by digest only. */
  readonly reference: ImageReference;
  readonly client: RegistryClient;
  /** OCI architecture, for an archive that does not contain it. Must not contradict the archive. */
  readonly architecture?: string;
  /** Checks the metadata before anything is stored. An error that it throws aborts the push. */
  readonly check?: (metadata: ArchiveMetadata) => void;
  readonly signal?: AbortSignal;
}

export interface PushedImage {
  /** `host/repository@sha256:...`: the image of a pod that is to be restored. */
  readonly image: string;
  /** Digest of the manifest. */
  readonly digest: string;
  /** Size of the layer, which is the archive, in bytes. */
  readonly size: number;
  readonly architecture: string;
  readonly metadata: ArchiveMetadata;
}

/** Read size: few system calls, but little memory in flight. */
const CHUNK_BYTES = 1 << 20;

/**
 * Builds an image of an archive and pushes it. The archive becomes the only layer, unchanged. It is read twice: to check it
 * and compute its digest, then to send it. So nothing is sent of an archive that is rejected or that the registry already has,
 * and the registry can verify the digest while it receives. The second read mostly comes from the page cache.
 *
 * @throws ArchiveError, RegistryError, errors of the file system
 */
export async function pushArchive(options: PushOptions): Promise<PushedImage> {
  const { file, reference, client, architecture, check, signal } = options;
  const { registry, repository, tag } = reference;
  const source = await openArchive(file);
  try {
    const { size } = await source.stat();
    const hash = createHash("sha256");
    const metadata = await inspect(source, file, size, (chunk) => {
      signal?.throwIfAborted();
      hash.update(chunk);
    });
    check?.(metadata);
    const layer = { digest: `sha256:${hash.digest("hex")}`, size };
    const { config, manifest, digest, ...image } = checkpointImage(file, metadata, layer, architecture);
    const blob = { open: () => [config], size: config.length, digest: digestOf(config) };
    await client.pushBlob(repository, { ...layer, open: () => contentOf(source, size) }, signal);
    await client.pushBlob(repository, blob, signal);
    await client.putManifest(repository, tag ?? digest, { mediaType: MANIFEST, content: manifest }, signal);
    const pushed = formatReference({ registry, repository, digest });
    return { image: pushed, digest, size, architecture: image.architecture, metadata };
  } finally {
    await source.close();
  }
}

/**
 * Reads the metadata of an archive, without unpacking it.
 *
 * @throws ArchiveError, errors of the file system
 */
export async function readArchive(file: string): Promise<ArchiveMetadata> {
  const source = await openArchive(file);
  try {
    const { size } = await source.stat();
    return await inspect(source, file, size);
  } finally {
    await source.close();
  }
}

async function openArchive(file: string): Promise<FileHandle> {
  const handle = await open(file, "r");
  const status = await handle.stat();
  if (status.isFile() && status.size > 0) return handle;
  await handle.close();
  throw new ArchiveError(file, status.isFile() ? "is empty" : "is not a file");
}

/** @param onChunk called with each chunk before it is inspected; an error that it throws ends the inspection */
async function inspect(
  source: FileHandle,
  file: string,
  size: number,
  onChunk?: (chunk: Buffer) => void,
): Promise<ArchiveMetadata> {
  const inspector = new ArchiveInspector(file);
  for await (const chunk of contentOf(source, size)) {
    onChunk?.(chunk);
    await inspector.write(chunk);
  }
  return metadataOf(file, await inspector.end());
}

function contentOf(source: FileHandle, size: number): AsyncIterable<Buffer> {
  return source.createReadStream({ start: 0, end: size - 1, highWaterMark: CHUNK_BYTES, autoClose: false });
}
