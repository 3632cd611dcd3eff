import type { ArchiveMetadata } from "./metadata";
import { digestOf } from "../../clients/registry";
import { ArchiveError } from "./inspector";

/** A difference between a restored container and the checkpointed one, with a message for the user. */
export interface NotRestored {
  /** Stable, for scripts. */
  readonly code:
    | "empty-dir"
    | "volume"
    | "tcp-connections"
    | "dev-shm"
    | "hostname"
    | "base-image"
    | "restart";
  readonly message: string;
}

/** Returns what a restore from the archive does not bring back. */
export function notRestored(metadata: ArchiveMetadata): NotRestored[] {
  const { mounts, tcpConnections, engine, hostname, baseImage } = metadata;
  const list: NotRestored[] = [];
  for (const { volume, kind, path } of mounts) {
    if (kind === "empty-dir") {
      const message = `emptyDir ${volume} at ${path}: empty in the new pod; a process with open files in it cannot be restored`;
      list.push({ code: "empty-dir", message });
    } else {
      const name = volume === undefined ? "the original volume" : `volume ${volume} (${kind})`;
      list.push({ code: "volume", message: `${path}: mount ${name} here, with the same files` });
    }
  }
  if (tcpConnections > 0) {
    const count = tcpConnections === 1 ? "1 open TCP connection" : `${tcpConnections} open TCP connections`;
    list.push({ code: "tcp-connections", message: `${count}: the new pod has a different address` });
  }
  if (engine === "containerd" && !mounts.some(({ path }) => path === "/dev/shm")) {
    list.push({ code: "dev-shm", message: "/dev/shm: the archive does not contain its files" });
  }
  if (hostname !== undefined) {
    list.push({ code: "hostname", message: `host name: the process keeps ${hostname}` });
  }
  if (baseImage.digest === undefined && engine === "containerd") {
    const message = `base image ${baseImage.name}: the archive has only the ID ${baseImage.reference}, which cannot be pulled; the node must have the image`;
    list.push({ code: "base-image", message });
  }
  const message = "a container restarted by its restartPolicy resumes from the checkpoint again";
  return [...list, { code: "restart", message }];
}

/** Returns a pod that is restored from the image. It has the emptyDirs of the archive's pod, but no other volume. */
export function restorePod(
  image: string,
  { containerName, pod, mounts, architecture }: ArchiveMetadata,
): object {
  const scratch = mounts.filter(({ kind, volume }) => kind === "empty-dir" && volume !== undefined);
  const volumes = [...new Set(scratch.map(({ volume }) => volume))];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${pod.name ?? containerName}-restored`.slice(-63).replace(/^[^a-z0-9]+/, ""),
      namespace: pod.namespace,
    },
    spec: {
      ...(architecture === undefined ? {} : { nodeSelector: { "kubernetes.io/arch": architecture } }),
      restartPolicy: "Never",
      containers: [
        {
          name: containerName,
          image,
          ...(scratch.length > 0
            ? { volumeMounts: scratch.map(({ volume, path }) => ({ name: volume, mountPath: path })) }
            : {}),
        },
      ],
      ...(volumes.length > 0 ? { volumes: volumes.map((name) => ({ name, emptyDir: {} })) } : {}),
    },
  };
}

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
