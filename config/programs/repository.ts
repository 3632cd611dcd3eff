/** Repositories of checkpoint artifacts, as controller and agent compute them. */
export interface Repositories {
  /** `<registry>/<path>`, without a tag. */
  readonly repository: string;
  /** Whether the checkpoints of each namespace are in `<repository>/<namespace>`. */
  readonly repositoryPerNamespace?: boolean | undefined;
}

/** Returns the repository to which checkpoints of a namespace are pushed. */
export function repositoryOf(
  { repository, repositoryPerNamespace }: Repositories,
  namespace: string,
): string {
  return repositoryPerNamespace ? `${repository}/${namespace}` : repository;
}

/**
 * Returns the repositories from which pods of a namespace are restored. With one for each namespace, these are its own one, and
 * the common one, which has the checkpoints from before. No other namespace's.
 */
export function repositoriesOf(
  repositories: Repositories,
  namespace: string,
): readonly [string, ...string[]] {
  const own = repositoryOf(repositories, namespace);
  return own === repositories.repository ? [own] : [own, repositories.repository];
}
