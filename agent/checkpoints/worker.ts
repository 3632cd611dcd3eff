import { sleep, type Objects } from "../../kube";
import type { JobContext } from "./context";
import { CheckpointJob } from "./job";
import { isFinished, NODE_CHECKPOINT, withConditions, type NodeCheckpointObject } from "./status";

interface Active {
  readonly job: CheckpointJob;
  readonly container: string;
  readonly done: Promise<void>;
}

/** Delay after an error of the agent itself (a full disk, an unreadable token). */
const RETRY_MS = 5000;

/** Runs the NodeCheckpoints of this node: one at a time per container, a limited number in all, older ones first. */
export class Worker {
  private readonly active = new Map<string, Active>();
  /** Finished by this process; the cache may be stale. */
  private readonly finished = new Set<string>();
  private readonly reported = new Set<string>();
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly context: JobContext,
    private readonly objects: Pick<Objects<NodeCheckpointObject>, "list" | "onChange">,
    private readonly stop: AbortSignal,
  ) {}

  /**
   * Starts. The objects must be synced.
   * @throws errors of the file system, if the journal cannot be read
   */
  async start(): Promise<void> {
    await this.context.journal.load();
    this.objects.onChange(({ old, new: now }) => {
      if (old && !now) {
        const { uid } = old.metadata;
        this.active.get(uid)?.job.cancel();
        this.finished.delete(uid);
        this.reported.delete(uid);
      }
      this.schedule();
    });
    this.schedule();
  }

  /** Resolves when no job is in progress. */
  async drained(): Promise<void> {
    while (this.active.size > 0 || this.background.size > 0)
      await Promise.all([...[...this.active.values()].map(({ done }) => done), ...this.background]);
  }

  private schedule(): void {
    if (this.stop.aborted) return;
    const busy = new Set([...this.active.values()].map(({ container }) => container));
    for (const { uid, name, spec } of this.candidates()) {
      const container = `${spec.podRef.namespace}/${spec.podRef.name}/${spec.containerName}`;
      if (this.active.has(uid)) continue;
      if (busy.has(container))
        this.reportWaiting(uid, `another checkpoint of container ${container} is in progress`);
      else if (this.active.size >= this.context.settings.maxConcurrent)
        this.reportWaiting(
          uid,
          `the node has reached maxConcurrent (${this.context.settings.maxConcurrent})`,
        );
      else {
        const job = new CheckpointJob(this.context, { uid, name }, this.stop);
        this.active.set(uid, { job, container, done: this.run(job, uid) });
      }
      busy.add(container);
    }
  }

  /** Returns started jobs first, then the others by age. */
  private candidates() {
    const started = this.context.journal.list();
    const known = new Set(started.map(({ uid }) => uid));
    const waiting = this.objects
      .list()
      .filter(
        ({ metadata: { uid }, status }) => !known.has(uid) && !this.finished.has(uid) && !isFinished(status),
      )
      .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
      .map(({ metadata: { uid, name }, spec }) => ({ uid, name, spec }));
    return [...started.filter(({ uid }) => !this.finished.has(uid)), ...waiting];
  }

  private async run(job: CheckpointJob, uid: string): Promise<void> {
    try {
      await job.run();
      this.finished.add(uid);
    } catch (error) {
      if (!this.stop.aborted) {
        this.context.log.error({ uid, err: error }, "NodeCheckpoint failed; retrying");
        await sleep(RETRY_MS, this.stop);
      }
    }
    this.active.delete(uid);
    this.schedule();
  }

  /** Reports once that it waits, so that the controller sees that the agent runs. */
  private reportWaiting(uid: string, message: string): void {
    const object = this.objects.list().find(({ metadata }) => metadata.uid === uid);
    if (!object || object.status.conditions || this.reported.has(uid)) return;
    this.reported.add(uid);
    const status = withConditions(object, {}, "waiting", "Pending", message);
    const work = this.context.client
      .applyStatus(NODE_CHECKPOINT, object.metadata, status)
      .then(
        () => {},
        () => void this.reported.delete(uid),
      )
      .finally(() => this.background.delete(work));
    this.background.add(work);
  }
}

function orderOf({ metadata: { creationTimestamp, name } }: NodeCheckpointObject): string {
  return `${creationTimestamp} ${name}`;
}
