/** Reports an artifact that is not a checkpoint, or not a complete one. A retry has the same result. */
export class ArtifactError extends Error {
  override readonly name = "ArtifactError";

  constructor(
    /** `host/repository@sha256:...` or the UID of the checkpoint. */
    readonly subject: string,
    reason: string,
    /** Whether the registry has no such artifact. */
    readonly isMissing = false,
  ) {
    super(`${subject} ${reason}`);
  }
}
