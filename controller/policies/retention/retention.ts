import {
  RESTORED_FROM,
  type DeleteCheckpointsAction,
  type RetentionKeepReason,
  type RetentionLimit,
  type RetentionStatus,
} from "../../../api";
import {
  hasStatus,
  isFinal,
  NotLeaderError,
  sleep,
  Turn,
  type CachedObjects,
  type Client,
  type Index,
} from "../../../kube";
import { CHECKPOINT, type CheckpointObject } from "../../checkpoints/objects";
import { hasEnded, RESTORED_POD } from "../../restore/pods";
import type { Filter, Policy } from "../core/types";
import type { NamespaceObject, PodObject, WorkloadObject } from "../objects";
import { executeRetention, type Deletion } from "./execute";
import { toRetained } from "./facts";
import type { RetentionEntry } from "./plan";
import { decidePolicy, type RetentionObjects } from "./plan-policy";
import { retentionStatus } from "./status";

/** Shortest time between two deletions of all policies, ms: 10 a second. */
const SPACING_MS = 100;

/** What retention reads. */
export interface RetentionCaches {
  readonly checkpoints: CachedObjects<CheckpointObject>;
  readonly pods: CachedObjects<PodObject>;
  readonly namespaces: CachedObjects<NamespaceObject>;
  readonly workloads: readonly CachedObjects<WorkloadObject>[];
  readonly jobs: CachedObjects<WorkloadObject>;
}

export interface RetentionOptions {
  readonly caches: RetentionCaches;
  readonly filters: Readonly<Record<string, Filter>>;
  /** Deletes only while this process leads. */
  readonly client: Pick<Client, "get" | "list" | "delete">;
  /** Returns whether the policy is in force as it was given. */
  readonly isCurrent: (policy: Policy) => boolean;
  /** Called after each deletion. */
  readonly deleted: (policy: Policy, deletion: Deletion) => void;
  /** Called with a deletion that the API server rejects. */
  readonly failed: (policy: Policy, deletion: Deletion, error: Error) => void;
  /** Called at the end of a run, also of one that failed, with the number of deleted Checkpoints by the limit that they exceeded. */
  readonly ended: (policy: Policy, deleted: ReadonlyMap<RetentionLimit, number>) => void;
}

/** Decides about Checkpoints by what the caches have, and deletes them. */
export class Retention {
  private readonly checkpointsIn: Index<CheckpointObject>;
  private readonly podsIn: Index<PodObject>;
  /** Number of Checkpoints that the last run of a policy deleted, by the policy's UID. */
  private readonly lastDeleted = new Map<string, number>();
  /** What policies keep, by UID. */
  private readonly kept = new Map<string, NonNullable<RetentionStatus["kept"]>>();
  /** When the next deletion may start, by the monotonic clock. */
  private nextMs = 0;
  /** Settles once the decisions in progress have ended. */
  private deciding: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: RetentionOptions) {
    const { checkpoints, pods } = options.caches;
    this.checkpointsIn = checkpoints.index(({ metadata }) => [metadata.namespace]);
    this.podsIn = pods.index(({ pod }) => [pod.namespace]);
  }

  /**
   * Returns what the policy deletes and keeps at a time, by what is known when the decision begins.
   * @param deleted UIDs that count as deleted
   */
  async plan(
    policy: Policy,
    settings: DeleteCheckpointsAction,
    nowMs: number,
    deleted: ReadonlySet<string> = new Set(),
  ): Promise<readonly RetentionEntry[]> {
    // One decision at a time: the steps of several decisions would share turns.
    const before = this.deciding;
    const decided = before.then(() =>
      new Turn(1).do(
        decidePolicy(policy, settings, this.options.filters, this.objects(policy), nowMs, deleted),
      ),
    );
    this.deciding = decided.catch(() => undefined);
    return decided;
  }

  /** Returns what is known now. It does not change while a decision is in progress. */
  private objects({ namespace }: Policy): RetentionObjects {
    const { caches } = this.options;
    const checkpoints = namespace === undefined ? caches.checkpoints.list() : this.checkpointsIn(namespace);
    const namespaces = [...new Set(checkpoints.map(({ metadata }) => metadata.namespace))];
    const labels = new Map(namespaces.map((name) => [name, caches.namespaces.get(name)?.labels]));
    const unknown = new Map(namespaces.map((name) => [name, this.unknown(name)]));
    return {
      checkpoints,
      pods: namespace === undefined ? caches.pods.list() : this.podsIn(namespace),
      workloads: caches.workloads.flatMap((kind) => kind.list()),
      jobs: caches.jobs.list(),
      labelsOf: (name) => labels.get(name) ?? {},
      unknown: (name) => unknown.get(name),
    };
  }

  /** Returns the status of a policy, as of its next run. */
  async status(policy: Policy, settings: DeleteCheckpointsAction, nextMs: number): Promise<RetentionStatus> {
    const entries = await this.plan(policy, settings, nextMs);
    const status = retentionStatus(entries, this.lastDeleted.get(policy.uid));
    this.kept.set(policy.uid, status.kept ?? []);
    return status;
  }

  /** Returns the number of Checkpoints that all policies keep, by reason, as of their last status. */
  keptTotals(): ReadonlyMap<RetentionKeepReason, number> {
    const totals = new Map<RetentionKeepReason, number>();
    for (const kept of this.kept.values())
      for (const { reason, count } of kept) totals.set(reason, (totals.get(reason) ?? 0) + count);
    return totals;
  }

  /** Drops what is known about a deleted policy. */
  policyDeleted(uid: string): void {
    this.lastDeleted.delete(uid);
    this.kept.delete(uid);
  }

  /**
   * Deletes the Checkpoints that exceed a limit of the policy, at most 10 a second for all policies together. It ends once the
   * policy is changed, suspended or deleted.
   * @returns how many deletions were rejected, and why; undefined if none was
   * @throws Error if the API server does not respond; NotLeaderError if another process leads, or after the signal
   */
  async run(
    policy: Policy,
    settings: DeleteCheckpointsAction,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (settings.dryRun) return undefined;
    const { client, isCurrent, deleted, failed, ended } = this.options;
    const counts = new Map<RetentionLimit, number>();
    let [rejections, last] = [0, ""];
    const work = executeRetention({
      plan: (gone) => this.plan(policy, settings, Date.now(), gone),
      isCurrent: () => isCurrent(policy),
      pause: () => this.pause(signal),
      read: async ({ key }) => {
        const found = await client.get(CHECKPOINT, targetOf(key), { signal });
        return found && toRetained(found);
      },
      hasPods: async ({ key, uid }) => {
        const { namespace } = targetOf(key);
        const labelSelector = `${RESTORED_FROM}=${uid}`;
        const pods = await client.list(RESTORED_POD, { namespace, labelSelector, signal });
        return pods.some((pod) => !hasEnded(pod));
      },
      delete: async (deletion) => {
        const { key, uid, resourceVersion } = deletion.checkpoint;
        try {
          await client.delete(CHECKPOINT, targetOf(key), { uid, resourceVersion, signal });
        } catch (error) {
          if (hasStatus(error, 409)) return false;
          throw error;
        }
        counts.set(deletion.reason, (counts.get(deletion.reason) ?? 0) + 1);
        deleted(policy, deletion);
        return true;
      },
      rejected: (deletion, error) => {
        if (!isFinal(error)) return false;
        failed(policy, deletion, error);
        [rejections, last] = [rejections + 1, `Checkpoint ${deletion.checkpoint.key}: ${error.message}`];
        return true;
      },
    });
    try {
      const count = await work;
      if (isCurrent(policy)) this.lastDeleted.set(policy.uid, count);
    } finally {
      ended(policy, counts);
    }
    return rejections === 0 ? undefined : `${rejections} deletions were rejected, the last one of ${last}`;
  }

  private async pause(signal: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    const atMs = Math.max(nowMs, this.nextMs);
    this.nextMs = atMs + SPACING_MS;
    if (atMs > nowMs) await sleep(atMs - nowMs, signal);
    if (signal.aborted) throw new NotLeaderError();
  }

  /** Returns why not all objects of a namespace are known. */
  private unknown(namespace: string): string | undefined {
    const { checkpoints, pods, workloads } = this.options.caches;
    for (const objects of [checkpoints, pods, ...workloads]) {
      if (objects.covers(namespace)) continue;
      return objects.deniedIn(namespace)?.message ?? "the API server has not listed all of its objects yet";
    }
    return undefined;
  }
}

function targetOf(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}
