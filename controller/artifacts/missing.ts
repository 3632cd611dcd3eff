import { repositoriesOf, type Repositories } from "../../config/programs";
import { isOutdated, type CachedObjects, type Client } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { checkpointUIDOf } from "../checkpoints/record";
import { phaseOf, withPhase } from "../checkpoints/state";
import { isArtifactIn } from "../engines";
import { digestOf, imagesOf } from "./artifact";
import { LIMITS, paused, type Limits } from "./limits";
import type { Swept } from "./orphans";
import type { Registry } from "./registry";
import type { SweepReport } from "./sweep-report";

export interface MissingOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly repositories: Repositories;
  readonly registry: Registry;
  readonly checkpoints: Pick<CachedObjects<CheckpointObject>, "list">;
  readonly report: Pick<SweepReport, "missing">;
  /** Default: `LIMITS`. */
  readonly limits?: Limits;
}

/**
 * Finds completed Checkpoints whose artifact the registry does not have, and records `ImageNotFound`.
 * @param swept repositories, listed after `sinceMs`. Without a tag nothing is concluded, because the repository may be another one;
 *   and nothing of those that could not be listed
 * @throws errors of the registry and the API server; the signal's reason
 */
export async function markMissing(
  { client, repositories, registry, checkpoints, report, limits = LIMITS }: MissingOptions,
  { tags, failed }: Swept,
  sinceMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (tags.size === 0) return;
  // A repeated push, and one from a backup, may have no tag: only the look-up by digest counts.
  const suspects = checkpoints
    .list()
    .filter((one) => phaseOf(one.status) === "completed" && !tags.has(checkpointUIDOf(one)))
    .filter(({ status }) => Date.parse(status.completionTime ?? "") < sinceMs);
  for (const object of suspects.slice(0, limits.reads)) {
    const allowed = repositoriesOf(repositories, object.metadata.namespace);
    const [image, ...more] = imagesOf(object);
    if (more.length > 0 || !isArtifactIn(allowed, image)) continue;
    const digest = digestOf(image);
    const repository = image.slice(0, -digest.length - 1);
    if (failed.has(repository)) continue;
    if ((await registry.manifest(repository, digest, signal)) === undefined) {
      const message = `the registry does not have ${image}`;
      const status = withPhase(object, object.status, "missing", "ImageNotFound", message, Date.now());
      try {
        await client.applyStatus(CHECKPOINT, object.metadata, status);
        report.missing(object, message);
      } catch (error) {
        if (!isOutdated(error)) throw error;
      }
    }
    await paused(limits, signal);
  }
}
