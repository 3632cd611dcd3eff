import type { CheckpointReason, CheckpointStatus } from "../../api";
import { repositoriesOf, repositoryOf, type Repositories } from "../../config/programs";
import { exponential, isOutdated, type Client, type Logger } from "../../kube";
import type { ClusterIdentity } from "../cluster";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { checkpointUIDOf } from "../checkpoints/record";
import { phaseOf, timeOf } from "../checkpoints/state";
import { isArtifactIn, type Engine } from "../engines";
import { digestOf, factsIn, imagesOf, keptBecause } from "./artifact";
import type { Elsewhere } from "./elsewhere";
import { addFinalizer, hasFinalizer, removeFinalizer } from "./finalizer";
import { liveUser } from "./live";
import type { Registry } from "./registry";
import type { GivenUp, Outcome, Report } from "./report";
import type { Uses } from "./uses";

/** Maximum length of the message of a condition. */
const MAX_MESSAGE = 4096;

type Next = { readonly requeueAfterMs?: number } | void;

/** Delay after a conflict, in case the watch does not report the change that caused it. */
const RETRY_MS = 1000;
/** First and longest delay between attempts to delete an artifact. */
const ATTEMPTS_MS = [2000, 300_000] as const;
/** Interval in which an artifact in use is checked, if no watch reports the end of its use. */
const USE_MS = 30_000;
/** Time in which an agent notices that its request was deleted, so that a push in progress ends before the tag is read. */
const SETTLE_MS = 15_000;

export interface DeletionOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly engine: Pick<Engine, "forget">;
  readonly repositories: Repositories;
  readonly registry: Registry;
  readonly cluster: ClusterIdentity;
  readonly uses: Uses;
  readonly elsewhere: Pick<Elsewhere, "other">;
  /** How long a deleted Checkpoint waits for the deletion of its artifact, ms. */
  readonly waitMs: number;
  readonly checkpoint: (key: string) => CheckpointObject | undefined;
  readonly report: Report;
  readonly log: Pick<Logger, "warn">;
}

/**
 * Keeps Checkpoints with `deletionPolicy: Delete` until their artifacts are deleted. Each step can be repeated: a crash between any two
 * repeats the last one. After `waitMs` a Checkpoint is released without its artifact.
 */
export class DeletionReconciler {
  /** Failed attempts in a row and the time of the next one, by UID. */
  private readonly attempts = new Map<string, { readonly count: number; readonly nextMs: number }>();

  constructor(private readonly options: DeletionOptions) {}

  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    const object = this.options.checkpoint(key);
    if (!object) return;
    try {
      return await this.advance(object, signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      return { requeueAfterMs: RETRY_MS };
    }
  }

  /** Discards what is known about a Checkpoint that was removed. */
  removed(uid: string): void {
    this.attempts.delete(uid);
  }

  private async advance(object: CheckpointObject, signal: AbortSignal): Promise<Next> {
    const { client } = this.options;
    const deletes = object.spec.deletionPolicy === "Delete";
    const held = hasFinalizer(object);
    if (object.metadata.deletionTimestamp === undefined) {
      if (deletes && !held) await addFinalizer(client, object);
      if (!deletes && held) await removeFinalizer(client, object);
      return;
    }
    if (!held) return;
    if (!deletes) return void (await removeFinalizer(client, object));
    return this.delete(object, signal);
  }

  private async delete(object: CheckpointObject, signal: AbortSignal): Promise<Next> {
    const leftMs = this.endMs(object) - Date.now();
    const user = this.options.uses.user(object);
    if (user !== undefined) return this.wait(object, user, leftMs);
    // The condition that reports the failure comes back by the watch.
    const pauseMs = (this.attempts.get(object.metadata.uid)?.nextMs ?? 0) - Date.now();
    if (pauseMs > 0) return { requeueAfterMs: pauseMs };
    try {
      const settleMs = await this.abandon(object, signal);
      if (settleMs > 0) return { requeueAfterMs: settleMs };
      const images = await this.images(object, signal);
      if (images.length > 0) {
        const live = await liveUser(this.options.client, this.options.uses, object, signal);
        if (live !== undefined) return await this.wait(object, live, leftMs);
      }
      for (const image of images) {
        const { outcome, detail } = await this.deleteImage(object, image, signal);
        this.options.report.ended(object, image, outcome, detail);
      }
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      if (leftMs <= 0) return this.giveUp(object, "NotDeleted", message);
      const { uid, name, namespace } = object.metadata;
      const attempt = this.attempts.get(uid)?.count ?? 0;
      const delayMs = Math.min(exponential(...ATTEMPTS_MS, attempt), leftMs);
      this.attempts.set(uid, { count: attempt + 1, nextMs: Date.now() + delayMs });
      this.options.log.warn(
        { checkpoint: name, namespace, err: error, attempt },
        "artifact not deleted, retrying",
      );
      await this.block(object, "ArtifactNotDeleted", message);
      return { requeueAfterMs: delayMs };
    }
    await removeFinalizer(this.options.client, object);
  }

  private async wait(object: CheckpointObject, user: string, leftMs: number): Promise<Next> {
    if (leftMs <= 0) return this.giveUp(object, "InUse", user);
    await this.block(object, "ArtifactInUse", `${user}: the artifact is deleted afterwards`);
    return { requeueAfterMs: Math.min(USE_MS, leftMs) };
  }

  /** Withdraws the request of a Checkpoint that has not ended. @returns ms to wait until a push in progress has ended */
  private async abandon(
    { metadata, status, record }: CheckpointObject,
    signal: AbortSignal,
  ): Promise<number> {
    const phase = phaseOf(status);
    if (record === undefined || (phase !== "pending" && phase !== "requested")) return 0;
    await this.options.engine.forget?.(metadata.uid, signal);
    return Date.parse(metadata.deletionTimestamp ?? "") + SETTLE_MS - Date.now();
  }

  /** Returns the images by digest: those of the status, or what was pushed by a request whose outcome is not in the status. */
  private async images(object: CheckpointObject, signal: AbortSignal): Promise<readonly string[]> {
    const known = imagesOf(object);
    // Without a record, nothing was requested.
    if (known.length > 0 || object.record === undefined) return known;
    const repository = repositoryOf(this.options.repositories, object.metadata.namespace);
    const found = await this.options.registry.manifest(repository, checkpointUIDOf(object), signal);
    return found === undefined ? [] : [`${repository}@${found.digest}`];
  }

  /** @throws RegistryError; Error without secrets */
  private async deleteImage(
    object: CheckpointObject,
    image: string,
    signal: AbortSignal,
  ): Promise<{ readonly outcome: Outcome; readonly detail?: string }> {
    const { uses, registry, cluster, repositories } = this.options;
    const { namespace } = object.metadata;
    if (!isArtifactIn(repositoriesOf(repositories, namespace), image))
      return { outcome: { result: "kept", reason: "OtherRepository" } };
    const [other] = uses.others(object);
    if (other !== undefined)
      return {
        outcome: { result: "kept", reason: "Shared" },
        detail: `: ${other.metadata.namespace}/${other.metadata.name}`,
      };
    const digest = digestOf(image);
    const repository = image.slice(0, -digest.length - 1);
    const manifest = await registry.manifest(repository, digest, signal);
    if (manifest === undefined) return { outcome: { result: "absent" } };
    const reason = keptBecause(object, factsIn(manifest.content), await cluster.uid(signal));
    if (reason !== undefined) return { outcome: { result: "kept", reason } };
    // The read took time, in which another Checkpoint may have been imported.
    if (uses.others(object).length > 0) return { outcome: { result: "kept", reason: "Shared" } };
    const elsewhere = await this.options.elsewhere.other(object, digest, signal);
    if (elsewhere !== undefined)
      return {
        outcome: { result: "kept", reason: "Shared" },
        detail: `: ${elsewhere.metadata.namespace}/${elsewhere.metadata.name}`,
      };
    const existed = await registry.delete(repository, digest, signal);
    return { outcome: { result: existed ? "deleted" : "absent" } };
  }

  private async giveUp(object: CheckpointObject, reason: GivenUp, why: string): Promise<void> {
    const [image] = imagesOf(object);
    const detail = `not deleted within ${this.options.waitMs / 1000} s: ${why}`;
    await removeFinalizer(this.options.client, object);
    this.options.report.ended(object, image, { result: "gaveUp", reason }, detail);
  }

  /** Records why the deletion waits. In a namespace that is deleted, the permission to do so may be gone: it waits all the same. */
  private async block(object: CheckpointObject, reason: CheckpointReason, why: string): Promise<void> {
    const { client, report, log } = this.options;
    const message = why.slice(0, MAX_MESSAGE);
    const conditions = object.status.conditions ?? [];
    const before = conditions.find(({ type }) => type === "DeletionBlocked");
    if (before?.reason === reason && before.message === message) return;
    const blocked = {
      type: "DeletionBlocked",
      status: "True",
      reason,
      message,
      observedGeneration: object.metadata.generation,
      lastTransitionTime: before?.lastTransitionTime ?? timeOf(Date.now()),
    } as const;
    const status: CheckpointStatus = {
      ...object.status,
      conditions: [...conditions.filter((one) => one !== before), blocked],
    };
    if (before?.reason !== reason) report.blocked(object, reason, message);
    await client.applyStatus(CHECKPOINT, object.metadata, status).catch((error: unknown) => {
      const { name, namespace } = object.metadata;
      log.warn({ checkpoint: name, namespace, err: error }, "condition not written");
    });
  }

  private endMs({ metadata }: CheckpointObject): number {
    return Date.parse(metadata.deletionTimestamp ?? "") + this.options.waitMs;
  }
}
