import type { ExportedPart, NodeService, PartName, StreamDigest } from "../../clients/node-service";
import { digestOf, formatReference, type RegistryClient } from "../../clients/registry";
import { MANIFEST, manifestOf, type StoredPart } from "./manifest";
import { parseMetadata } from "./metadata";
import { parallel } from "./parallel";
import { METADATA, partsOf } from "./parts";
import type { PushCheckpoint } from "./types";

/** Parts that are sent at a time: one is compressed while the other waits for the registry. */
export const PARALLEL_PARTS = 2;

export const pushCheckpoint: PushCheckpoint = async (options) => {
  const { uid, reference, client, node, signal } = options;
  const { registry, repository, tag } = reference;
  const text = await readAll(await node.export(uid, METADATA, signal));
  const metadata = parseMetadata(`checkpoint ${uid}`, text);
  const parts = await parallel(
    partsOf(metadata),
    PARALLEL_PARTS,
    (part, each) => pushPart(node, client, { uid, part, repository }, each),
    signal,
  );
  const configDigest = digestOf(text);
  await client.pushBlob(repository, { open: () => [text], size: text.length, digest: configDigest }, signal);
  const content = manifestOf(metadata, { size: text.length, sha256: withoutAlgorithm(configDigest) }, parts);
  const digest = digestOf(content);
  await client.putManifest(repository, tag ?? digest, { mediaType: MANIFEST, content }, signal);
  const layerBytes = parts.reduce((sum, { size }) => sum + size, 0);
  const sizeBytes = content.length + text.length + layerBytes;
  return { image: formatReference({ registry, repository, digest }), digest, sizeBytes, metadata };
};

interface PartOfCheckpoint {
  readonly uid: string;
  readonly part: PartName;
  readonly repository: string;
}

async function pushPart(
  node: NodeService,
  client: RegistryClient,
  { uid, part, repository }: PartOfCheckpoint,
  signal: AbortSignal,
): Promise<StoredPart> {
  let exported: ExportedPart | undefined = await node.export(uid, part, signal);
  const { uncompressedSize, known } = exported;
  try {
    const stored =
      (await existing(client, repository, known, signal)) ??
      (await client.pushStream(
        repository,
        () => {
          const first = exported;
          exported = undefined;
          return contentOf(first, () => node.export(uid, part, signal));
        },
        signal,
      ));
    return { part, uncompressedSize, size: stored.size, sha256: withoutAlgorithm(stored.digest) };
  } finally {
    exported?.close();
  }
}

/** Returns the blob of an earlier export of the same content, if the registry has it. */
async function existing(
  client: RegistryClient,
  repository: string,
  known: StreamDigest | undefined,
  signal: AbortSignal,
) {
  if (known === undefined) return undefined;
  const digest = `sha256:${known.sha256}`;
  return (await client.hasBlob(repository, digest, signal)) ? { digest, size: known.size } : undefined;
}

async function* contentOf(first: ExportedPart | undefined, again: () => Promise<ExportedPart>) {
  const exported = first ?? (await again());
  try {
    yield* exported.content;
  } finally {
    exported.close();
  }
}

async function readAll({ content }: ExportedPart): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function withoutAlgorithm(digest: string): string {
  return digest.replace("sha256:", "");
}
