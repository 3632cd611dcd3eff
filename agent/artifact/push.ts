import type { ExportedPart, NodeService, PartName } from "../../clients/node-service";
import { digestOf, formatReference, type RegistryClient } from "../../clients/registry";
import { parallel } from "../../kube";
import { MANIFEST, manifestOf, type StoredPart } from "./manifest";
import { parseMetadata } from "./metadata";
import { METADATA, partsOf } from "./parts";
import { PARALLEL_SEGMENTS } from "./segments";
import type { PushCheckpoint } from "./types";

/** Parts that are sent at a time: one is compressed while the other waits for the registry. */
export const PARALLEL_PARTS = 2;

export const pushCheckpoint: PushCheckpoint = async (options) => {
  const { uid, reference, cluster, client, node, signal } = options;
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
  const content = manifestOf(
    metadata,
    { size: text.length, sha256: withoutAlgorithm(configDigest) },
    parts,
    cluster,
  );
  const digest = digestOf(content);
  await client.putManifest(repository, tag ?? digest, { mediaType: MANIFEST, content }, signal);
  const layers = parts.flatMap(({ segments }) => segments);
  const layerBytes = layers.reduce((sum, { size }) => sum + size, 0);
  const sizeBytes = content.length + text.length + layerBytes;
  return { image: formatReference({ registry, repository, digest }), digest, sizeBytes, metadata };
};

interface PartOfCheckpoint {
  readonly uid: string;
  readonly part: PartName;
  readonly repository: string;
}

/** Sends a part as blobs, but not those that the registry has. */
async function pushPart(
  node: NodeService,
  client: RegistryClient,
  { uid, part, repository }: PartOfCheckpoint,
  signal: AbortSignal,
): Promise<StoredPart> {
  const exported = await node.export(uid, part, signal);
  try {
    const segments = await parallel(
      exported.segments,
      PARALLEL_SEGMENTS,
      async ({ content, size, sha256, release }, each) => {
        const digest = `sha256:${sha256}`;
        await client.pushBlob(repository, { open: () => [content], size, digest }, each);
        release();
        return { size, sha256 };
      },
      signal,
    );
    return { part, uncompressedSize: exported.uncompressedSize, segments };
  } finally {
    exported.close();
  }
}

async function readAll({ segments }: ExportedPart): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const { content } of segments) chunks.push(content);
  return Buffer.concat(chunks);
}

function withoutAlgorithm(digest: string): string {
  return digest.replace("sha256:", "");
}
