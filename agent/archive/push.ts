import { open, type FileHandle } from "node:fs/promises";
import { digestOf, formatReference, type ImageReference, type RegistryClient } from "../../clients/registry";
import { ArchiveError } from "./error";
import { checkpointImage, MANIFEST } from "./image";
import { ArchiveInspector, type Contents } from "./inspector";
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
 * Makes an image of an archive and pushes it. The archive is read once, and becomes the only layer as it is: it is looked
 * through, its digest is made and it is sent in the same pass. Nothing is stored of one that is refused.
 *
 * @throws ArchiveError, RegistryError, errors of the file system
 */
export async function pushArchive(options: PushOptions): Promise<PushedImage> {
  const { file, reference, client, architecture, check, signal } = options;
  const { registry, repository, tag } = reference;
  const source = await openArchive(file);
  try {
    const { size } = await source.stat();
    let metadata: ArchiveMetadata | undefined;
    const content = () =>
      inspected(source, file, size, (contents) => {
        metadata = metadataOf(file, contents);
        check?.(metadata);
        // Before the layer is stored: one of which no image can be made is not.
        checkpointImage(file, metadata, { digest: "", size }, architecture);
      });
    const layer = await client.pushBlob(repository, { open: content, size }, signal);
    if (metadata === undefined) throw new ArchiveError(`${file}: was not read`);
    const image = checkpointImage(file, metadata, layer, architecture);
    const { config, manifest, digest } = image;
    const blob = { open: () => [config], size: config.length, digest: digestOf(config) };
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
    const found: ArchiveMetadata[] = [];
    const content = inspected(source, file, size, (contents) => found.push(metadataOf(file, contents)));
    while (!(await content.next()).done);
    return found[0]!;
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

/** The file's bytes as they are; `seen` is called after the last, before the reader knows that it was. */
async function* inspected(
  source: FileHandle,
  file: string,
  size: number,
  seen: (contents: Contents) => void,
): AsyncGenerator<Uint8Array> {
  const inspector = new ArchiveInspector(file);
  const stream = source.createReadStream({ start: 0, end: size - 1, highWaterMark: CHUNK, autoClose: false });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    await inspector.write(chunk);
    yield chunk;
  }
  seen(await inspector.end());
}
