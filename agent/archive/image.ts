import { digestOf } from "../../clients/registry";
import { ArchiveError } from "./error";
import type { ArchiveMetadata } from "./metadata";

/** The parts of an image besides its one layer. Made of their arguments alone: the same archive gives the same bytes. */
export interface CheckpointImage {
  readonly config: Buffer;
  readonly manifest: Buffer;
  readonly digest: string;
  readonly architecture: string;
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** What containers run on under Linux, in OCI's words, and the variant that images of it have. */
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
 * @param layer digest and size of the archive, which is the layer as it is
 * @param architecture where the archive does not tell
 * @throws ArchiveError if the architecture is unknown, or is not the archive's
 */
export function checkpointImage(
  file: string,
  metadata: ArchiveMetadata,
  layer: { readonly digest: string; readonly size: number },
  architecture?: string,
): CheckpointImage {
  const made = architectureOf(file, metadata, architecture);
  const variant = VARIANTS[made];
  const created = metadata.checkpointedAt.toISOString();
  const config = bytes({
    created,
    architecture: made,
    ...(variant === undefined ? {} : { variant }),
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created, created_by: "kubelet checkpoint" }],
  });
  const manifest = bytes({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: LAYER, digest: layer.digest, size: layer.size }],
    annotations: annotationsOf(metadata, made),
  });
  return { config, manifest, digest: digestOf(manifest), architecture: made };
}

function architectureOf(file: string, { architecture }: ArchiveMetadata, given?: string): string {
  if (given !== undefined && !(given in VARIANTS)) {
    throw new ArchiveError(`${given} is no architecture; allowed: ${Object.keys(VARIANTS).join(", ")}`);
  }
  const made = architecture ?? given;
  if (made === undefined) throw new ArchiveError(`${file}: does not tell its architecture; say it (--arch)`);
  if (given === undefined || given === made) return made;
  throw new ArchiveError(`${file}: is of a process on ${made}, not on ${given}`);
}

/**
 * The first two make it a checkpoint: containerd (2.1 to 2.3) looks for the first, CRI-O for the second. The others are for
 * people and guards; their names are those of checkpointctl and OCI.
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

function bytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
