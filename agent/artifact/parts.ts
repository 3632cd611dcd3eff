import type { CheckpointMetadata, PartName } from "../../clients/node-service";

/** The part that is the config of the artifact. The others are layers. */
export const METADATA: PartName = "metadata";

/** Returns the parts of a checkpoint but the metadata, in the order of the metadata. */
export function partsOf({ containers, volumes, sharedMemory }: CheckpointMetadata): readonly PartName[] {
  return [
    ...containers.flatMap(({ name, files }) => [
      `containers/${name}/images`,
      ...(files.some(({ path }) => path === "rootfs.tar") ? [`containers/${name}/rootfs`] : []),
    ]),
    ...volumes.map(({ name }) => `volumes/${name}`),
    ...(sharedMemory === undefined ? [] : ["shm"]),
  ];
}

/** Returns the media type of a part's layer. */
export function mediaTypeOf(part: PartName): string {
  return `application/vnd.cedana.checkpoint.${kindOf(part)}.v1.tar+zstd`;
}

/** Returns whether a part has the memory of a container. */
export function isMemory(part: PartName): boolean {
  return kindOf(part) === "memory";
}

function kindOf(part: PartName): "memory" | "rootfs" | "volume" | "shm" {
  if (part === "shm") return "shm";
  if (part.startsWith("volumes/")) return "volume";
  return part.endsWith("/rootfs") ? "rootfs" : "memory";
}
