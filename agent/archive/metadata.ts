import * as v from "valibot";
import { ArchiveError, type ArchiveSizes, type Contents } from "./inspector";

/** Description of a checkpoint, read from its archive. */
export interface ArchiveMetadata {
  /** The runtime that wrote the archive. */
  readonly engine: "containerd" | "cri-o";
  readonly containerName: string;
  readonly pod: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  readonly baseImage: {
    /** As in the pod's spec. */
    readonly name: string;
    /** The reference that the runtime resolves at a restore: `name@sha256:...` (containerd), an image ID (CRI-O). */
    readonly reference: string;
    readonly digest?: string;
  };
  /** Runtime handler, such as `io.containerd.runc.v2`. */
  readonly runtime: string;
  readonly checkpointedAt: Date;
  /** OCI architecture, from CRIU's images. */
  readonly architecture?: string;
  readonly criuVersion?: string;
  /** Time in which CRIU kept the processes frozen, in milliseconds. The standstill of the container is longer. */
  readonly frozenMs?: number;
  readonly hostname?: string;
  readonly mounts: readonly ArchiveMount[];
  readonly tcpConnections: number;
  readonly sizes: ArchiveSizes;
}

/** A volume of the pod, as mounted in the container. */
export interface ArchiveMount {
  /** Name of the volume in the pod; unknown for a subPath. */
  readonly volume?: string;
  /** The kubelet's name of the plugin: `empty-dir`, `configmap`, `csi`, ...; `unknown` for a mount of another origin. */
  readonly kind: string;
  readonly path: string;
  readonly readOnly: boolean;
}

const text = v.optional(v.string());
const configSchema = v.object({
  rootfsImage: text,
  rootfsImageName: text,
  rootfsImageRef: v.pipe(v.string(), v.minLength(1)),
  runtime: v.optional(v.string(), "unknown"),
  checkpointedTime: v.pipe(
    v.string(),
    v.check((time) => Number.isFinite(Date.parse(time)), "is not a time"),
  ),
});
const specSchema = v.object({
  hostname: text,
  process: v.optional(v.object({ env: v.optional(v.array(v.string())) })),
  annotations: v.record(v.string(), v.string()),
  mounts: v.optional(
    v.array(
      v.object({
        destination: v.string(),
        source: text,
        options: v.optional(v.array(v.string())),
      }),
    ),
    [],
  ),
});

/** Returns the metadata of an archive. @throws ArchiveError if a file is missing or incomplete */
export function metadataOf(file: string, contents: Contents): ArchiveMetadata {
  const config = read(file, contents, "config.dump", configSchema);
  const { annotations, mounts, hostname, process } = read(file, contents, "spec.dump", specSchema);
  if (contents.sizes.memory === 0) {
    throw new ArchiveError(file, "contains no process memory: not a checkpoint of a running container");
  }
  const engine = "io.kubernetes.cri-o.Metadata" in annotations ? "cri-o" : "containerd";
  const containerName =
    annotations["io.kubernetes.cri.container-name"] ?? annotations["io.kubernetes.container.name"];
  if (!containerName) {
    throw new ArchiveError(file, "spec.dump names no container: not a checkpoint of a Kubernetes pod");
  }
  // containerd requires status.dump for a restore. It is the last entry, so an archive truncated between entries lacks it.
  if (engine === "containerd") read(file, contents, "status.dump", v.looseObject({}));
  const { rootfsImageRef: reference, rootfsImage, rootfsImageName } = config;
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(reference)?.[1];
  const { architecture, criuVersion, frozenMs, tcpConnections, sizes } = contents;
  return {
    engine,
    containerName,
    pod: {
      name: annotations["io.kubernetes.cri.sandbox-name"] ?? annotations["io.kubernetes.pod.name"],
      namespace:
        annotations["io.kubernetes.cri.sandbox-namespace"] ?? annotations["io.kubernetes.pod.namespace"],
      uid: annotations["io.kubernetes.cri.sandbox-uid"] ?? annotations["io.kubernetes.pod.uid"],
    },
    baseImage: {
      name: rootfsImageName || rootfsImage || reference,
      reference,
      ...(digest ? { digest } : {}),
    },
    runtime: config.runtime,
    checkpointedAt: new Date(config.checkpointedTime),
    architecture,
    criuVersion,
    frozenMs,
    hostname:
      hostname ?? process?.env?.find((entry) => entry.startsWith("HOSTNAME="))?.slice("HOSTNAME=".length),
    mounts: mounts.flatMap(volumeMount),
    tcpConnections,
    sizes,
  };
}

function read<S extends v.GenericSchema>(
  file: string,
  { files }: Contents,
  name: string,
  schema: S,
): v.InferOutput<S> {
  const bytes = files.get(name);
  if (!bytes) throw new ArchiveError(file, `has no ${name}: not the archive of a container checkpoint`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's message would quote the content, which has environment variables.
    throw new ArchiveError(file, `${name} is not JSON`);
  }
  const { success, issues, output } = v.safeParse(schema, json);
  if (success) return output;
  const invalid = issues.map((issue) => v.getDotPath(issue) ?? "(root)");
  throw new ArchiveError(file, `${name} has missing or invalid fields: ${invalid.join(", ")}`);
}

const VOLUME = /\/pods\/[^/]+\/volumes\/(?:kubernetes\.io~)?([^/]+)\/([^/]+)(?:\/|$)/;
/** Mounts that every container gets from the runtime, unless a volume of the pod is mounted there. */
const RUNTIME_MOUNT =
  /^\/(?:proc|sys|dev|etc\/(?:hosts|hostname|resolv\.conf)|run\/secrets|run\/\.containerenv)(?:\/|$)/;
const TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

function volumeMount({
  destination: path,
  source = "",
  options = [],
}: {
  readonly destination: string;
  readonly source?: string;
  readonly options?: readonly string[];
}): ArchiveMount[] {
  const [, kind = "unknown", volume] = VOLUME.exec(source) ?? [];
  if (path === TOKEN_MOUNT || !source.startsWith("/") || (volume === undefined && RUNTIME_MOUNT.test(path)))
    return [];
  return [{ path, kind, readOnly: options.includes("ro"), ...(volume === undefined ? {} : { volume }) }];
}
