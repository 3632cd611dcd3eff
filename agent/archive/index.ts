/** Converts the archive of a kubelet checkpoint into an image from which a container is restored. */
export { ArchiveError, type ArchiveSizes } from "./inspector";
export type { ArchiveMetadata, ArchiveMount } from "./metadata";
export { pushArchive, readArchive, type PushedImage, type PushOptions } from "./push";
export { notRestored, restorePod, type NotRestored } from "./image";
