import type { CheckpointMetadata, PartName, StreamDigest } from "../../clients/node-service";
import { ARTIFACT_ANNOTATIONS, ARTIFACT_TYPE } from "../../api";
import { printable } from "../../config/schema";
import { isObject, type Json } from "../../http";
import { ArtifactError } from "./error";
import { mediaTypeOf, partsOf } from "./parts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.cedana.checkpoint.v1+json";

/** Annotation of a layer: the part that it is. */
const PART = "ai.cedana.checkpoint.part";
/** Annotation of a layer: the file that `oras pull` writes. */
const TITLE = "org.opencontainers.image.title";
/** Annotation of a layer: its place among the layers of its part, such as `2/3`. */
const SEGMENT = "ai.cedana.checkpoint.segment";
/** Annotation of a layer: size of its part before compression, in bytes. */
const UNCOMPRESSED_SIZE = "ai.cedana.checkpoint.uncompressed-size";

/** The largest `checkpoint.json` that the service writes and accepts. */
const MAX_CONFIG_BYTES = 4 << 20;
const MAX_LAYER_BYTES = Number.MAX_SAFE_INTEGER;

/** A part as it is stored: compressed, as one layer or several. */
export interface StoredPart extends ArtifactPart {
  readonly uncompressedSize: number;
}

export interface ArtifactPart {
  readonly part: PartName;
  /** In their order. At least one. */
  readonly segments: readonly StreamDigest[];
}

/** What is read from a manifest. */
export interface Artifact {
  readonly config: StreamDigest;
  readonly parts: readonly ArtifactPart[];
}

/**
 * Returns the bytes of the manifest. The same checkpoint gives the same bytes.
 * @param cluster UID of the namespace kube-system
 */
export function manifestOf(
  metadata: CheckpointMetadata,
  config: StreamDigest,
  parts: readonly StoredPart[],
  cluster?: string,
): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: ARTIFACT_TYPE,
    config: { mediaType: CONFIG, digest: `sha256:${config.sha256}`, size: config.size },
    layers: parts.flatMap(({ part, segments, uncompressedSize }) =>
      segments.map(({ size, sha256 }, at) => ({
        mediaType: mediaTypeOf(part),
        digest: `sha256:${sha256}`,
        size,
        annotations: {
          [PART]: part,
          [SEGMENT]: placeOf(at, segments.length),
          [UNCOMPRESSED_SIZE]: String(uncompressedSize),
          [TITLE]: titleOf(part, at, segments.length),
        },
      })),
    ),
    annotations: {
      [ARTIFACT_ANNOTATIONS.uid]: metadata.uid,
      ...(cluster === undefined ? {} : { [ARTIFACT_ANNOTATIONS.cluster]: cluster }),
      "org.criu.checkpoint.criu.version": metadata.node.criu,
      "org.criu.checkpoint.host.arch": metadata.node.architecture,
      "org.criu.checkpoint.pod.name": metadata.pod.name,
      [ARTIFACT_ANNOTATIONS.namespace]: metadata.pod.namespace,
      "org.criu.checkpoint.pod.uid": metadata.pod.uid,
      [ARTIFACT_ANNOTATIONS.created]: metadata.createdAt,
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
  if (mediaType.split(";")[0]?.trim() !== MANIFEST || manifest["artifactType"] !== ARTIFACT_TYPE)
    throw new ArtifactError(image, "is not a checkpoint of this engine");
  const { config, layers } = manifest;
  if (!Array.isArray(layers)) throw new ArtifactError(image, "has no layers");
  return {
    config: descriptor(image, config, CONFIG, MAX_CONFIG_BYTES),
    parts: partsAt(image, layers),
  };
}

/** Groups layers by part. @throws ArtifactError unless all layers of each part are there, in their order */
function partsAt(image: string, layers: readonly Json[]): ArtifactPart[] {
  const parts = new Map<PartName, { readonly place: Json | undefined; readonly segment: StreamDigest }[]>();
  for (const layer of layers) {
    const annotations = isObject(layer) ? layer["annotations"] : undefined;
    const { [PART]: part, [SEGMENT]: place } = isObject(annotations) ? annotations : {};
    if (typeof part !== "string") throw new ArtifactError(image, "has a layer without a part");
    const segment = descriptor(image, layer, mediaTypeOf(part), MAX_LAYER_BYTES);
    const found = parts.get(part) ?? [];
    found.push({ place, segment });
    parts.set(part, found);
  }
  return [...parts].map(([part, found]) => {
    if (found.some(({ place }, at) => place !== placeOf(at, found.length)))
      throw new ArtifactError(image, "has other layers than its config names");
    return { part, segments: found.map(({ segment }) => segment) };
  });
}

function placeOf(at: number, count: number): string {
  return `${at + 1}/${count}`;
}

/** Returns the name of a file: in the order of their names, the files of a part are its archive. */
function titleOf(part: PartName, at: number, count: number): string {
  return count === 1 ? `${part}.tar.zst` : `${part}.tar.zst.${String(at + 1).padStart(5, "0")}`;
}

/** Checks that an artifact has each part of its checkpoint once, and nothing else. @throws ArtifactError */
export function checkParts(image: string, { parts }: Artifact, metadata: CheckpointMetadata): void {
  const found = parts.map(({ part }) => part).toSorted();
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
    throw new ArtifactError(image, `has a descriptor with the size ${printable(size)}`);
  return { sha256, size };
}
