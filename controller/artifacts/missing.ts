import { repositoriesOf, type Repositories } from "../../config/programs";
import { each, isOutdated, sorted, Turn, type CachedObjects, type Client, type Steps } from "../../kube";
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

/** Finds completed Checkpoints whose artifact the registry does not have, and records `ImageNotFound`. */
export class Missing {
  /** UID of the Checkpoint after which the next sweep continues. */
  private cursor = "";

  constructor(private readonly options: MissingOptions) {}

  /**
   * Asks the registry about a bounded number of Checkpoints without a tag.
   * @param swept repositories, listed after `sinceMs`. Those that could not be listed are skipped. If no tag was listed, nothing is
   *   concluded, because the repository may be another one
   * @throws errors of the registry and the API server; the signal's reason
   */
  async mark({ tags, failed }: Swept, sinceMs: number, signal: AbortSignal): Promise<void> {
    const { limits = LIMITS } = this.options;
    if (tags.size === 0) return;
    const suspects = await new Turn(1).do(this.suspects(tags, sinceMs));
    const after = suspects.filter(({ metadata }) => metadata.uid > this.cursor);
    // The last request may have failed, and no Checkpoint follows it.
    const left = after.length > 0 ? after : suspects;
    for (const object of left.slice(0, limits.reads)) {
      // Even if the registry fails for this one, the next sweep continues with the others.
      this.cursor = object.metadata.uid;
      await this.ask(object, failed, signal);
    }
    if (left.length <= limits.reads) this.cursor = "";
  }

  /** Returns the Checkpoints whose artifact may be missing, in the order of their UIDs. */
  private *suspects(tags: ReadonlySet<string>, sinceMs: number): Steps<readonly CheckpointObject[]> {
    const found: CheckpointObject[] = [];
    yield* each(this.options.checkpoints.list(), (one) => {
      const { status } = one;
      // A repeated push, and one from a backup, may have no tag: only the look-up by digest counts.
      if (phaseOf(status) !== "completed" || tags.has(checkpointUIDOf(one))) return;
      if (Date.parse(status.completionTime ?? "") < sinceMs) found.push(one);
    });
    return yield* sorted(found, (a, b) => (a.metadata.uid < b.metadata.uid ? -1 : 1));
  }

  private async ask(object: CheckpointObject, failed: Swept["failed"], signal: AbortSignal): Promise<void> {
    const { client, repositories, registry, report, limits = LIMITS } = this.options;
    const allowed = repositoriesOf(repositories, object.metadata.namespace);
    const [image, ...more] = imagesOf(object);
    if (more.length > 0 || !isArtifactIn(allowed, image)) return;
    const digest = digestOf(image);
    const repository = image.slice(0, -digest.length - 1);
    if (failed.has(repository)) return;
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
