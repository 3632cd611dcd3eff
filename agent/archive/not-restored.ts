import type { ArchiveMetadata } from "./metadata";

/** Something that a restored container does not have as it was, in words for whoever restores it. */
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

/** What a restore will not bring back, as far as the archive tells. */
export function notRestored(metadata: ArchiveMetadata): NotRestored[] {
  const { mounts, tcpConnections, engine, hostname, baseImage } = metadata;
  const list: NotRestored[] = [];
  for (const { volume, kind, path } of mounts) {
    if (kind === "empty-dir") {
      const message = `emptyDir ${volume} at ${path}: the new pod's is empty; a process with a file open in it cannot be restored`;
      list.push({ code: "empty-dir", message });
    } else {
      const name = volume === undefined ? "what was" : `the volume ${volume} (${kind})`;
      list.push({ code: "volume", message: `${path}: mount ${name} there again, with the same files` });
    }
  }
  if (tcpConnections > 0) {
    const count = tcpConnections === 1 ? "1 open TCP connection" : `${tcpConnections} open TCP connections`;
    list.push({ code: "tcp-connections", message: `${count}: the new pod has another address` });
  }
  if (engine === "containerd" && !mounts.some(({ path }) => path === "/dev/shm")) {
    const message = "/dev/shm: files in it are not in the archive";
    list.push({ code: "dev-shm", message });
  }
  if (hostname !== undefined) {
    list.push({ code: "hostname", message: `host name: the process goes on with ${hostname}` });
  }
  if (baseImage.digest === undefined && engine === "containerd") {
    const message = `base image ${baseImage.name}: known by ${baseImage.reference} only, which cannot be pulled; the node must have it`;
    list.push({ code: "base-image", message });
  }
  const message = "a container that is started again by its restartPolicy begins from the checkpoint again";
  return [...list, { code: "restart", message }];
}
