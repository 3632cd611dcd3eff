import { digestOf } from "../../clients/registry";
import { ArchiveError } from "./inspector";
import type { ArchiveMetadata } from "./metadata";

/** An image without its one layer. The same archive gives the same bytes. */
export interface CheckpointImage {
  readonly config: Buffer;
  readonly manifest: Buffer;
  readonly digest: string;
  readonly architecture: string;
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** The OCI architectures of Linux, with the variant that images of each have. */
const VARIANTS: Readonly<Record<string, string | undefined>> = {
  amd64: undefined,
  arm64: "v8",
  arm: "v7",
  ppc64le: undefined,
  s390x: undefined,
  mips64le: undefined,
  loong64: undefined,
  riscv64: undefined,
};

/**
 * Returns the config and manifest of the image of an archive.
 * @param layer digest and size of the archive, which is the layer
 * @param architecture for an archive that does not contain it
 * @throws ArchiveError if the architecture is unknown or contradicts the archive
 */
export function checkpointImage(
  file: string,
  metadata: ArchiveMetadata,
  layer: { readonly digest: string; readonly size: number },
  architecture?: string,
): CheckpointImage {
  const resolved = architectureOf(file, metadata, architecture);
  const variant = VARIANTS[resolved];
  const created = metadata.checkpointedAt.toISOString();
  const config = toBytes({
    created,
    architecture: resolved,
    ...(variant === undefined ? {} : { variant }),
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created, created_by: "kubelet checkpoint" }],
  });
  const manifest = toBytes({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: LAYER, digest: layer.digest, size: layer.size }],
    annotations: annotationsOf(metadata, resolved),
  });
  return { config, manifest, digest: digestOf(manifest), architecture: resolved };
}

function architectureOf(file: string, { architecture }: ArchiveMetadata, given?: string): string {
  if (given !== undefined && !(given in VARIANTS)) {
    throw new ArchiveError(
      "architecture",
      `${given} is unknown`,
      `allowed: ${Object.keys(VARIANTS).join(", ")}`,
    );
  }
  const resolved = architecture ?? given;
  if (resolved === undefined)
    throw new ArchiveError(file, "does not contain the architecture", "specify it with --arch");
  if (given === undefined || given === resolved) return resolved;
  throw new ArchiveError(file, `contains a process of ${resolved}, not ${given}`);
}

/**
 * Returns the annotations. containerd (2.1 to 2.3) recognizes a checkpoint by the first one, CRI-O by the second. The others are
 * for users and restore guards; checkpointctl and OCI define their names.
 */
function annotationsOf(metadata: ArchiveMetadata, architecture: string): Record<string, string> {
  const { containerName, pod, baseImage, engine, runtime, criuVersion, checkpointedAt } = metadata;
  const all: Record<string, string | undefined> = {
    "org.criu.checkpoint.container.name": containerName,
    "io.kubernetes.cri-o.annotations.checkpoint.name": containerName,
    "org.criu.checkpoint.criu.version": criuVersion,
    "org.criu.checkpoint.engine.name": engine,
    "org.criu.checkpoint.host.arch": architecture,
    "org.criu.checkpoint.pod.name": pod.name,
    "org.criu.checkpoint.pod.namespace": pod.namespace,
    "org.criu.checkpoint.pod.uid": pod.uid,
    "org.criu.checkpoint.rootfsImageID": baseImage.reference,
    "org.criu.checkpoint.rootfsImageName": baseImage.name,
    "org.criu.checkpoint.runtime.name": runtime,
    "org.opencontainers.image.base.digest": baseImage.digest,
    "org.opencontainers.image.base.name": baseImage.name,
    "org.opencontainers.image.created": checkpointedAt.toISOString(),
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function toBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
