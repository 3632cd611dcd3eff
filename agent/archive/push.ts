import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { digestOf, formatReference, type ImageReference, type RegistryClient } from "../../clients/registry";
import { ArchiveError } from "./error";
import { checkpointImage, MANIFEST } from "./image";
import { ArchiveInspector } from "./inspector";
import { metadataOf, type ArchiveMetadata } from "./metadata";

export interface PushOptions {
  /** Path of the archive. */
  readonly file: string;
  /** Where it goes; without a tag it is stored by its digest alone. */
  readonly reference: ImageReference;
  readonly client: RegistryClient;
  /** In OCI's words, where the archive does not tell; refused if it tells otherwise. */
  readonly architecture?: string;
  /** Looks at what the archive says of itself before anything is stored. What it throws ends the push. */
  readonly check?: (metadata: ArchiveMetadata) => void;
  readonly signal?: AbortSignal;
}

export interface PushedImage {
  /** `host/repository@sha256:...`: what a pod names to be restored. */
  readonly image: string;
  /** Of the manifest. */
  readonly digest: string;
  /** Of the layer, which is the archive, in bytes. */
  readonly size: number;
  readonly architecture: string;
  readonly metadata: ArchiveMetadata;
}

/** Large enough that the disk is read in few calls, small enough that what is under way needs little memory. */
const CHUNK = 1 << 20;

/**
 * Makes an image of an archive and pushes it. The archive becomes the only layer as it is. It is read twice: looked through
 * while its digest is made, then sent. So nothing at all is sent of one that is refused, or that the registry has already, and
 * a registry can check what it gets on the way. The second read is of what the kernel just read or wrote.
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
    const metadata = await lookedThrough(source, file, size, (chunk) => {
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
    const named = formatReference({ registry, repository, digest });
    return { image: named, digest, size, architecture: image.architecture, metadata };
  } finally {
    await source.close();
  }
}

/**
 * Reads what an archive says of itself, without unpacking it.
 *
 * @throws ArchiveError, errors of the file system
 */
export async function readArchive(file: string): Promise<ArchiveMetadata> {
  const source = await openArchive(file);
  try {
    const { size } = await source.stat();
    return await lookedThrough(source, file, size);
  } finally {
    await source.close();
  }
}

async function openArchive(file: string): Promise<FileHandle> {
  const handle = await open(file, "r");
  const status = await handle.stat();
  if (status.isFile() && status.size > 0) return handle;
  await handle.close();
  throw new ArchiveError(`${file}: is ${status.isFile() ? "empty" : "no file"}`);
}

/** @param seen called with each part before it is looked at; what it throws ends the look */
async function lookedThrough(
  source: FileHandle,
  file: string,
  size: number,
  seen?: (chunk: Buffer) => void,
): Promise<ArchiveMetadata> {
  const inspector = new ArchiveInspector(file);
  for await (const chunk of contentOf(source, size)) {
    seen?.(chunk);
    await inspector.write(chunk);
  }
  return metadataOf(file, await inspector.end());
}

function contentOf(source: FileHandle, size: number): AsyncIterable<Buffer> {
  return source.createReadStream({ start: 0, end: size - 1, highWaterMark: CHUNK, autoClose: false });
}
