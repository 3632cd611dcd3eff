import * as v from "valibot";
import { ArchiveError } from "./error";
import type { ArchiveSizes, Contents } from "./inspector";

/** What a checkpoint says of itself. */
export interface ArchiveMetadata {
  /** Who wrote it. */
  readonly engine: "containerd" | "cri-o";
  readonly containerName: string;
  readonly pod: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  readonly baseImage: {
    /** As the pod asked for it. */
    readonly name: string;
    /** As the runtime looks for it at a restore: `name@sha256:...` (containerd), an image id (CRI-O). */
    readonly reference: string;
    readonly digest?: string;
  };
  /** Such as `io.containerd.runc.v2`. */
  readonly runtime: string;
  readonly checkpointedAt: Date;
  /** OCI's word, from the images of the processes. */
  readonly architecture?: string;
  readonly criuVersion?: string;
  /** Time in which CRIU kept the processes frozen, in milliseconds. The container stands still longer. */
  readonly frozenMs?: number;
  readonly hostname?: string;
  readonly mounts: readonly ArchiveMount[];
  readonly tcpConnections: number;
  readonly sizes: ArchiveSizes;
}

/** A volume of the pod as the container saw it. */
export interface ArchiveMount {
  /** Name of the volume in the pod; unknown for a sub-path of one. */
  readonly volume?: string;
  /** As the kubelet calls it: `empty-dir`, `configmap`, `csi`, ...; `unknown` if it is none of its volumes. */
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

/** @throws ArchiveError if a file is missing or says too little */
export function metadataOf(file: string, contents: Contents): ArchiveMetadata {
  const config = read(file, contents, "config.dump", configSchema);
  const { annotations, mounts, hostname, process } = read(file, contents, "spec.dump", specSchema);
  if (contents.sizes.memory === 0) {
    throw new ArchiveError(
      `${file}: holds no memory of a process; it is no checkpoint of a running container`,
    );
  }
  const engine = "io.kubernetes.cri-o.Metadata" in annotations ? "cri-o" : "containerd";
  const containerName =
    annotations["io.kubernetes.cri.container-name"] ?? annotations["io.kubernetes.container.name"];
  if (!containerName) {
    throw new ArchiveError(
      `${file}: its spec.dump names no container; only checkpoints of a Kubernetes pod are taken`,
    );
  }
  // containerd restores from it too. It is the last entry, so an archive that was cut between two does not have it.
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
  if (!bytes) throw new ArchiveError(`${file}: has no ${name}; it is no archive of a container's checkpoint`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's words would show a part of it, and there are environment variables in it.
    throw new ArchiveError(`${file}: its ${name} is not JSON`);
  }
  const { success, issues, output } = v.safeParse(schema, json);
  if (success) return output;
  const wrong = issues.map((issue) => `${v.getDotPath(issue) ?? "(root)"} is missing or not as it should be`);
  throw new ArchiveError(`${file}: its ${name} cannot be used: ${wrong.join(", ")}`);
}

const VOLUME = /\/pods\/[^/]+\/volumes\/(?:kubernetes\.io~)?([^/]+)\/([^/]+)(?:\/|$)/;
/** What every container has, and every new one gets anew, as long as no volume of the pod lies there. */
const OWN =
  /^\/(?:proc|sys|dev|etc\/(?:hosts|hostname|resolv\.conf)|run\/secrets|run\/\.containerenv)(?:\/|$)/;
const OWN_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount";

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
  if (path === OWN_TOKEN || !source.startsWith("/") || (volume === undefined && OWN.test(path))) return [];
  return [{ path, kind, readOnly: options.includes("ro"), ...(volume === undefined ? {} : { volume }) }];
}
