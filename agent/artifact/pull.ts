import { NodeServiceError, type OpenPiece, type StreamDigest } from "../../clients/node-service";
import { parseReference, type RegistryClient } from "../../clients/registry";
import { parallel } from "../../kube";
import { ArtifactError } from "./error";
import { checkParts, parseManifest, type Artifact } from "./manifest";
import { parseMetadata } from "./metadata";
import { isMemory, METADATA } from "./parts";
import { PARALLEL_PARTS } from "./push";
import { joined, type OpenSegment } from "./segments";
import type { DeleteCheckpoint, LoadMemory, PullCheckpoint } from "./types";

export const pullCheckpoint: PullCheckpoint = async (options) => {
  const { image, client, node, podUID, maxBytes, reserveBytes, lazy = false, signal } = options;
  const { repository, digest } = pinned(image);
  const { config, parts, text, metadata } = await readCheckpoint(client, image, repository, digest, signal);
  const staged = { podUID, checkpoint: metadata.uid };
  const limits = {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  };
  const metadataRequest = { ...staged, ...limits, part: METADATA, segments: [config] };
  await node.stage(metadataRequest, () => once(text), signal);
  const open = segmentsIn(client, repository);
  // The largest first, so that none is left alone at the end.
  await parallel(
    parts.toSorted((a, b) => bytesOf(b) - bytesOf(a)),
    PARALLEL_PARTS,
    async (part, each) => {
      const stage = (piece?: OpenPiece) =>
        node.stage({ ...staged, ...part }, () => joined(part.segments, open, each), each, piece);
      if (!lazy || !isMemory(part.part)) return stage();
      try {
        return await stage(open);
      } catch (error) {
        if (!isNotDivided(error)) throw error;
        return stage();
      }
    },
    signal,
  );
  return metadata;
};

export const loadMemory: LoadMemory = async ({ image, client, node, podUID, signal }) => {
  const { repository, digest } = pinned(image);
  const { parts, metadata } = await readCheckpoint(client, image, repository, digest, signal);
  const staged = { podUID, checkpoint: metadata.uid };
  await parallel(
    parts.filter(({ part }) => isMemory(part)),
    PARALLEL_PARTS,
    (part, each) => node.load({ ...staged, ...part }, segmentsIn(client, repository), each),
    signal,
  );
};

/** Returns whether a service of an earlier version, or layers of an earlier version, may be why pieces were rejected. */
function isNotDivided(error: unknown): boolean {
  return error instanceof NodeServiceError && ["InvalidRequest", "ContentInvalid"].includes(error.reason);
}

/** Returns the segments of a repository. The service compares their digests. */
function segmentsIn(client: RegistryClient, repository: string): OpenSegment<StreamDigest> {
  return ({ size, sha256 }, options) =>
    client.pullBlob(repository, { digest: `sha256:${sha256}`, size }, { ...options, unverified: true });
}

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

/** Reads manifest and metadata, and compares them. @throws ArtifactError */
async function readCheckpoint(
  client: RegistryClient,
  image: string,
  repository: string,
  digest: string,
  signal?: AbortSignal,
) {
  const artifact = await readArtifact(client, image, repository, digest, signal);
  const text = await readBlob(client, repository, artifact.config, signal);
  const metadata = parseMetadata(image, text);
  checkParts(image, artifact, metadata);
  return { ...artifact, text, metadata };
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
