import { repositoryOf, type Repositories } from "../../config/programs";
import type { CachedObjects, Client, Logger } from "../../kube";
import type { ClusterIdentity } from "../cluster";
import type { CheckpointObject } from "../checkpoints/objects";
import { factsIn, type ArtifactFacts } from "./artifact";
import { Elsewhere } from "./elsewhere";
import { LIMITS, paused, type Limits } from "./limits";
import type { Registry } from "./registry";
import type { SweepReport } from "./sweep-report";
import type { Uses } from "./uses";

/** A UID, as tags of checkpoints are. */
const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Maximum number of remembered tags of foreign artifacts: their manifests are read once. */
const MAX_KNOWN = 100_000;

/** An artifact that no Checkpoint names. */
export interface Orphan {
  readonly repository: string;
  readonly digest: string;
  readonly facts: ArtifactFacts;
}

export interface OrphansOptions {
  readonly client: Pick<Client, "list">;
  readonly mode: "report" | "delete";
  readonly repositories: Repositories;
  readonly namespaces: "all" | readonly string[];
  readonly minAgeMs: number;
  readonly registry: Registry;
  readonly cluster: Pick<ClusterIdentity, "uid">;
  readonly uses: Uses;
  readonly checkpoints: Pick<CachedObjects<CheckpointObject>, "list" | "covers">;
  /** Returns whether a request to an agent has this name: the UID of a Checkpoint. */
  readonly isPending: (uid: string) => boolean;
  readonly report: SweepReport;
  /** Default: `LIMITS`. */
  readonly limits?: Limits;
  readonly log: Pick<Logger, "info">;
}

/**
 * Finds artifacts of this cluster that no Checkpoint, request or restore names. If that is configured, it deletes those that the last sweep
 * found, too. The caches may be late, and lack the Checkpoints of namespaces that another install reconciles: before anything is deleted, the
 * Checkpoints of all namespaces are listed, and without that list nothing is.
 */
export class Orphans {
  /** By `repository:tag`. */
  private known = new Map<string, Orphan>();
  /** Tags whose artifacts are not of this cluster, by `repository:tag`: tags of the toolkit are immutable. */
  private readonly others = new Set<string>();
  /** Where the next sweep of a repository continues to read manifests. */
  private readonly cursors = new Map<string, string>();

  constructor(private readonly options: OrphansOptions) {}

  /**
   * Sweeps all repositories. It keeps the orphans of a repository that cannot be listed, and deletes none of them. Without the
   * Checkpoints of all namespaces, it deletes none at all.
   * @throws errors of deletions; the signal's reason
   */
  async sweep(signal: AbortSignal): Promise<Swept> {
    const clusterUID = await this.options.cluster.uid(signal);
    const tags = new Set<string>();
    const found = new Map<string, Orphan>();
    const failed = new Map<string, unknown>();
    for (const repository of this.repositories()) {
      const own = new Map<string, Orphan>();
      try {
        await this.sweepRepository(repository, { clusterUID, tags, found: own, signal });
        for (const [name, orphan] of own) found.set(name, orphan);
      } catch (error) {
        signal.throwIfAborted();
        failed.set(repository, error);
        for (const [name, orphan] of this.known)
          if (orphan.repository === repository) found.set(name, orphan);
      }
    }
    const elsewhere = new Elsewhere(this.options.client);
    const before = this.known;
    this.known = found;
    let unconfirmed = await this.confirm(elsewhere, signal);
    for (const [name, orphan] of found) if (!before.has(name)) this.report(orphan);
    if (this.options.mode === "delete")
      for (const [name, orphan] of found) {
        if (unconfirmed !== undefined) break;
        if (before.has(name) && !failed.has(orphan.repository))
          unconfirmed = await this.delete(name, orphan, elsewhere, signal);
      }
    this.options.report.orphans(this.known.size);
    return { tags, failed, ...(unconfirmed === undefined ? {} : { unconfirmed }) };
  }

  /** Removes what a Checkpoint of any namespace names. @returns why that is not known; undefined if it is */
  private async confirm(elsewhere: Elsewhere, signal: AbortSignal): Promise<Error | undefined> {
    for (const [name, orphan] of this.known) {
      const user = await userOf(orphan, elsewhere, signal);
      if (user instanceof Error) return user;
      if (user !== undefined) this.known.delete(name);
    }
    return undefined;
  }

  private repositories(): readonly string[] {
    const { repositories, namespaces, checkpoints } = this.options;
    const all =
      namespaces === "all" ? checkpoints.list().map(({ metadata }) => metadata.namespace) : namespaces;
    return [...new Set([repositories.repository, ...all.map((one) => repositoryOf(repositories, one))])];
  }

  private async sweepRepository(
    repository: string,
    { clusterUID, tags, found, signal }: Pass,
  ): Promise<void> {
    const { registry, limits = LIMITS } = this.options;
    const cursor = this.cursors.get(repository) ?? "";
    this.cursors.delete(repository);
    let reads = 0;
    for await (const page of registry.tags(repository, signal)) {
      for (const tag of page) {
        tags.add(tag);
        const name = `${repository}:${tag}`;
        if (!UID.test(tag) || this.others.has(name) || this.isNamed([tag])) continue;
        if (reads >= limits.reads || tag <= cursor) {
          const orphan = this.known.get(name);
          if (orphan) found.set(name, orphan);
          continue;
        }
        if (++reads === limits.reads) this.cursors.set(repository, tag);
        const orphan = await this.read(repository, tag, clusterUID, signal);
        if (orphan) found.set(name, orphan);
        await paused(limits, signal);
      }
      await paused(limits, signal);
    }
  }

  /** Reads the artifact of a tag that no object names. @returns undefined if it is kept */
  private async read(
    repository: string,
    tag: string,
    clusterUID: string,
    signal: AbortSignal,
  ): Promise<Orphan | undefined> {
    const { registry, minAgeMs } = this.options;
    const manifest = await registry.manifest(repository, tag, signal);
    if (manifest === undefined) return undefined;
    const facts = factsIn(manifest.content);
    if (facts === undefined || facts.checkpointUID !== tag || facts.clusterUID !== clusterUID) {
      if (this.others.size < MAX_KNOWN) this.others.add(`${repository}:${tag}`);
      return undefined;
    }
    const { digest } = manifest;
    const isOld = facts.createdMs !== undefined && facts.createdMs <= Date.now() - minAgeMs;
    if (!isOld || !this.isRead(facts.namespace) || this.isNamed([tag, digest])) return undefined;
    return { repository, digest, facts };
  }

  /** Returns whether the Checkpoints of a namespace are known. Another install may reconcile the other namespaces. */
  private isRead(namespace: string | undefined): boolean {
    const { namespaces, checkpoints } = this.options;
    if (namespace === undefined) return false;
    return (namespaces === "all" || namespaces.includes(namespace)) && checkpoints.covers(namespace);
  }

  private isNamed(names: readonly string[]): boolean {
    const { uses, isPending } = this.options;
    return uses.checkpointsOf(names).length > 0 || uses.isRequested(names) || names.some(isPending);
  }

  /** Deletes an orphan. @returns why it is not known whether it is one; undefined if it is */
  private async delete(
    name: string,
    orphan: Orphan,
    elsewhere: Elsewhere,
    signal: AbortSignal,
  ): Promise<Error | undefined> {
    const { repository, digest, facts } = orphan;
    const { registry, report } = this.options;
    // The sweep took time.
    const user = await userOf(orphan, elsewhere, signal);
    if (user instanceof Error) return user;
    if (user !== undefined || !this.isRead(facts.namespace) || this.isNamed(namesOfOrphan(orphan)))
      return undefined;
    const existed = await registry.delete(repository, digest, signal);
    this.known.delete(name);
    if (existed) report.orphanDeleted(imageOf(orphan), facts);
    await paused(this.options.limits ?? LIMITS, signal);
    return undefined;
  }

  private report(orphan: Orphan): void {
    const { checkpointUID, namespace, createdMs = 0 } = orphan.facts;
    const image = imageOf(orphan);
    const created = new Date(createdMs).toISOString();
    this.options.log.info({ image, checkpointUID, namespace, created }, "no Checkpoint names this artifact");
  }
}

/** Returns the Checkpoint that names an artifact, or why that is not known. @throws the signal's reason */
async function userOf(
  orphan: Orphan,
  elsewhere: Elsewhere,
  signal: AbortSignal,
): Promise<CheckpointObject | Error | undefined> {
  try {
    return await elsewhere.user(namesOfOrphan(orphan), signal);
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  }
}

function namesOfOrphan({ facts: { checkpointUID }, digest }: Orphan): readonly string[] {
  return [...(checkpointUID === undefined ? [] : [checkpointUID]), digest];
}

function imageOf({ repository, digest }: Orphan): string {
  return `${repository}@${digest}`;
}

/** Result of a sweep. */
export interface Swept {
  /** All tags of the repositories that were listed completely, and some tags of the failed ones. */
  readonly tags: ReadonlySet<string>;
  /** Errors of the repositories that could not be swept, by their name. */
  readonly failed: ReadonlyMap<string, unknown>;
  /** Why it is not known whether Checkpoints of other namespaces name the orphans. After that, none was deleted. */
  readonly unconfirmed?: Error;
}

interface Pass {
  readonly clusterUID: string;
  readonly tags: Set<string>;
  readonly found: Map<string, Orphan>;
  readonly signal: AbortSignal;
}
