import type { NodeCheckpointSpec, NodeCheckpointStatus, NotRestoredItem } from "../../../api";
import type { CheckpointedContainer, CheckpointMetadata } from "../../../clients/node-service";
import type { PushedCheckpoint } from "../../artifact";

/** Files that the kubelet and the container runtime create for each container. The checkpoint has /dev/shm if it is shared. */
const OF_THE_NODE = new Set([
  "/etc/hosts",
  "/etc/hostname",
  "/etc/resolv.conf",
  "/dev/shm",
  "/dev/termination-log",
  "/var/run/secrets/kubernetes.io/serviceaccount",
]);

/** Maximum length of a list in the status. */
const MAX_ITEMS = 256;

/** Returns the status fields of a pushed checkpoint. */
export function resultOf(
  spec: NodeCheckpointSpec,
  { image, digest, sizeBytes, metadata }: PushedCheckpoint,
): NodeCheckpointStatus {
  const { node, createdAt, frozenNanoseconds, preDump, containers } = metadata;
  return {
    image,
    digest,
    sizeBytes,
    architecture: node.architecture,
    checkpointedTime: createdAt,
    frozenMilliseconds: Math.round(frozenNanoseconds / 1e6),
    ...(preDump === undefined ? {} : { preDump: reportOf(preDump) }),
    containers: containers.map((container) => {
      const { name } = container;
      const baseImage = baseImageOf(spec, name);
      const lost = notRestored(container);
      return {
        name,
        ...(baseImage === undefined ? {} : { baseImage }),
        ...(lost.length === 0 ? {} : { notRestored: lost }),
      };
    }),
  };
}

function reportOf({
  frozenNanoseconds,
  ...report
}: NonNullable<CheckpointMetadata["preDump"]>): NodeCheckpointStatus["preDump"] {
  if (frozenNanoseconds === undefined) return report;
  return { ...report, frozenMilliseconds: Math.round(frozenNanoseconds / 1e6) };
}

function baseImageOf({ baseImages = [] }: NodeCheckpointSpec, container: string): string | undefined {
  return baseImages.find(({ name }) => name === container)?.image;
}

/** Returns the digest of a container's image as `sha256:HEX`; "" if it is unknown. */
export function digestOf(spec: NodeCheckpointSpec, container: string): string {
  return baseImageOf(spec, container)?.split("@")[1] ?? "";
}

/**
 * Returns what a restore of a container does not bring back: the content of mounts from outside the container other than
 * emptyDirs, such as PersistentVolumeClaims, hostPaths, ConfigMaps and Secrets. Each message starts with the path.
 */
function notRestored({ mounts }: CheckpointedContainer): NotRestoredItem[] {
  const items = mounts
    .filter(({ type, volume, destination }) => type === "bind" && !volume && !OF_THE_NODE.has(destination))
    .map(({ destination }) => ({
      code: "volume",
      message: `${destination}: its content is not in the checkpoint; mount a volume with the same files here`,
    }));
  if (items.length <= MAX_ITEMS) return items;
  const left = items.length - MAX_ITEMS + 1;
  return [...items.slice(0, MAX_ITEMS - 1), { code: "volume", message: `${left} more mounts` }];
}
