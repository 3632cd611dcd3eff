/** From the archive of a kubelet's checkpoint to an image from which a container is restored. */
export { ArchiveError } from "./error";
export type { ArchiveSizes } from "./inspector";
export type { ArchiveMetadata, ArchiveMount } from "./metadata";
export { notRestored, type NotRestored } from "./not-restored";
export { pushArchive, readArchive, type PushedImage, type PushOptions } from "./push";
export { restorePod } from "./restore-pod";
