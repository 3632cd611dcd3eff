import type { StreamDigest } from "../../clients/node-service";
import { parseReference, type RegistryClient } from "../../clients/registry";
import { parallel } from "../../kube";
import { ArtifactError } from "./error";
import { checkParts, parseManifest, type Artifact } from "./manifest";
import { parseMetadata } from "./metadata";
import { METADATA } from "./parts";
import { PARALLEL_PARTS } from "./push";
import { joined, type OpenSegment } from "./segments";
import type { DeleteCheckpoint, PullCheckpoint } from "./types";

export const pullCheckpoint: PullCheckpoint = async (options) => {
  const { image, client, node, podUID, maxBytes, reserveBytes, signal } = options;
  const { repository, digest } = pinned(image);
  const artifact = await readArtifact(client, image, repository, digest, signal);
  const { config, parts } = artifact;
  const text = await readBlob(client, repository, config, signal);
  const metadata = parseMetadata(image, text);
  checkParts(image, artifact, metadata);
  const staged = { podUID, checkpoint: metadata.uid };
  const limits = {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  };
  const metadataRequest = { ...staged, ...limits, part: METADATA, segments: [config] };
  await node.stage(metadataRequest, () => once(text), signal);
  // The largest first, so that none is left alone at the end.
  await parallel(
    parts.toSorted((a, b) => bytesOf(b) - bytesOf(a)),
    PARALLEL_PARTS,
    (part, each) => {
      // The service compares the digests.
      const open: OpenSegment<StreamDigest> = ({ size, sha256 }, options) =>
        client.pullBlob(repository, { digest: `sha256:${sha256}`, size }, { ...options, unverified: true });
      return node.stage({ ...staged, ...part }, () => joined(part.segments, open, each), each);
    },
    signal,
  );
  return metadata;
};

export const deleteCheckpoint: DeleteCheckpoint = async ({ image, client, signal }) => {
  const { repository, digest } = pinned(image);
  return client.deleteManifest(repository, digest, signal);
};

function bytesOf({ segments }: Artifact["parts"][number]): number {
  return segments.reduce((sum, { size }) => sum + size, 0);
}

function pinned(image: string): { readonly repository: string; readonly digest: string } {
  const { repository, digest } = parseReference(image);
  if (digest === undefined) throw new ArtifactError(image, "has no digest");
  return { repository, digest };
}

async function readArtifact(
  client: RegistryClient,
  image: string,
  repository: string,
  digest: string,
  signal?: AbortSignal,
): Promise<Artifact> {
  const manifest = await client.getManifest(repository, digest, signal);
  if (!manifest) throw new ArtifactError(image, "is not in the registry", true);
  return parseManifest(image, manifest.mediaType, manifest.content);
}

async function readBlob(
  client: RegistryClient,
  repository: string,
  { size, sha256 }: Artifact["config"],
  signal?: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const blob = { digest: `sha256:${sha256}`, size };
  for await (const chunk of client.pullBlob(repository, blob, { signal })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
