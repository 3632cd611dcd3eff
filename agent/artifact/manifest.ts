import type { CheckpointMetadata, PartName, StreamDigest } from "../../clients/node-service";
import { isObject, type Json } from "../../http";
import { ArtifactError } from "./error";
import { mediaTypeOf, partsOf } from "./parts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const ARTIFACT = "application/vnd.cedana.checkpoint.v1";
const CONFIG = "application/vnd.cedana.checkpoint.v1+json";

/** Annotation of a layer: the part that it is. */
const PART = "ai.cedana.checkpoint.part";
/** Annotation of a layer: the file that `oras pull` writes. */
const TITLE = "org.opencontainers.image.title";
/** Annotation of a layer: size before compression, in bytes. */
const UNCOMPRESSED_SIZE = "ai.cedana.checkpoint.uncompressed-size";

/** The largest `checkpoint.json` that the service writes and accepts. */
const MAX_CONFIG_BYTES = 4 << 20;
const MAX_LAYER_BYTES = Number.MAX_SAFE_INTEGER;

/** A part as it is stored: compressed. */
export interface StoredPart extends StreamDigest {
  readonly part: PartName;
  readonly uncompressedSize: number;
}

/** What is read from a manifest. */
export interface Artifact {
  readonly config: StreamDigest;
  readonly layers: readonly (StreamDigest & { readonly part: PartName })[];
}

/** Returns the bytes of the manifest. The same checkpoint gives the same bytes. */
export function manifestOf(
  metadata: CheckpointMetadata,
  config: StreamDigest,
  parts: readonly StoredPart[],
): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: ARTIFACT,
    config: { mediaType: CONFIG, digest: `sha256:${config.sha256}`, size: config.size },
    layers: parts.map(({ part, size, sha256, uncompressedSize }) => ({
      mediaType: mediaTypeOf(part),
      digest: `sha256:${sha256}`,
      size,
      annotations: {
        [PART]: part,
        [UNCOMPRESSED_SIZE]: String(uncompressedSize),
        [TITLE]: `${part}.tar.zst`,
      },
    })),
    annotations: {
      "ai.cedana.checkpoint.uid": metadata.uid,
      "org.criu.checkpoint.criu.version": metadata.node.criu,
      "org.criu.checkpoint.host.arch": metadata.node.architecture,
      "org.criu.checkpoint.pod.name": metadata.pod.name,
      "org.criu.checkpoint.pod.namespace": metadata.pod.namespace,
      "org.criu.checkpoint.pod.uid": metadata.pod.uid,
      "org.opencontainers.image.created": metadata.createdAt,
    },
  };
  return Buffer.from(JSON.stringify(manifest));
}

/**
 * Reads a manifest. The service of the node checks the content of each part; this checks what is downloaded.
 *
 * @throws ArtifactError
 */
export function parseManifest(image: string, mediaType: string, content: Buffer): Artifact {
  const manifest = parse(image, content);
  if (mediaType.split(";")[0]?.trim() !== MANIFEST || manifest["artifactType"] !== ARTIFACT)
    throw new ArtifactError(image, "is not a checkpoint of this engine");
  const { config, layers } = manifest;
  if (!Array.isArray(layers)) throw new ArtifactError(image, "has no layers");
  return {
    config: descriptor(image, config, CONFIG, MAX_CONFIG_BYTES),
    layers: layers.map((layer: Json) => {
      const annotations = isObject(layer) ? layer["annotations"] : undefined;
      const part = isObject(annotations) ? annotations[PART] : undefined;
      if (typeof part !== "string") throw new ArtifactError(image, "has a layer without a part");
      return { part, ...descriptor(image, layer, mediaTypeOf(part), MAX_LAYER_BYTES) };
    }),
  };
}

/** Checks that an artifact has each part of its checkpoint once, and nothing else. @throws ArtifactError */
export function checkParts(image: string, { layers }: Artifact, metadata: CheckpointMetadata): void {
  const found = layers.map(({ part }) => part).toSorted();
  const wanted = partsOf(metadata).toSorted();
  if (found.length === wanted.length && found.every((part, at) => part === wanted[at])) return;
  throw new ArtifactError(image, "has other layers than its config names");
}

function parse(image: string, content: Buffer): { readonly [name: string]: Json | undefined } {
  try {
    const manifest = JSON.parse(content.toString("utf8")) as Json;
    if (isObject(manifest)) return manifest;
  } catch {
    // Reported below.
  }
  throw new ArtifactError(image, "has a manifest that is not JSON");
}

function descriptor(image: string, value: Json | undefined, mediaType: string, most: number): StreamDigest {
  const { mediaType: type, digest, size } = isObject(value) ? value : {};
  const sha256 = typeof digest === "string" ? /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1] : undefined;
  if (type !== mediaType || sha256 === undefined)
    throw new ArtifactError(image, `has a descriptor that is not of ${mediaType}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size <= 0 || size > most)
    throw new ArtifactError(image, `has a descriptor with the size ${JSON.stringify(size)}`);
  return { sha256, size };
}
