/** The file is no archive of a checkpoint, or one that must not become an image. Says the file, what is wrong and what to do. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}
