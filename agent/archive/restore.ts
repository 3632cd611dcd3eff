import type { ArchiveMetadata } from "./metadata";

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
