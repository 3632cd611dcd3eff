const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Checks whether an image is a checkpoint in one of these repositories, by digest. Agents report images, and users can write
 * the status of Checkpoints: any other image must neither be recorded nor restored.
 */
export function isArtifactIn(repositories: readonly string[], image: string | undefined): image is string {
  if (image === undefined) return false;
  return repositories.some((repository) => {
    const prefix = `${repository}@`;
    return image.startsWith(prefix) && DIGEST.test(image.slice(prefix.length));
  });
}
