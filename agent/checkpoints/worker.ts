import { sleep, type Objects } from "../../kube";
import { containerKeyOf, isFinished, NODE_CHECKPOINT, type NodeCheckpointObject } from "./object";
import { withConditions } from "./status";
import { Task } from "./task";
import type { Tools } from "./tools";

interface Active {
  readonly task: Task;
  readonly container: string;
  readonly done: Promise<void>;
}

/** Delay after a failure of the agent itself (a full disk, a token that cannot be read). */
const AGAIN_MS = 5000;

/** Runs the NodeCheckpoints of this node: one at a time per container, a limited number in all, older ones first. */
export class Worker {
  private readonly active = new Map<string, Active>();
  /** Ended here; the cache may not have it yet. */
  private readonly over = new Set<string>();
  private readonly reported = new Set<string>();
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly tools: Tools,
    private readonly objects: Pick<Objects<NodeCheckpointObject>, "list" | "onChange">,
    private readonly stop: AbortSignal,
  ) {}

  /**
   * Starts. The objects are synced.
   * @throws errors of the file system, if the journal cannot be read
   */
  async start(): Promise<void> {
    await this.tools.journal.load();
    this.objects.onChange(({ old, new: now }) => {
      if (old && !now) {
        const { uid } = old.metadata;
        this.active.get(uid)?.task.cancel();
        this.over.delete(uid);
        this.reported.delete(uid);
      }
      this.schedule();
    });
    this.schedule();
  }

  /** Settles when nothing is in progress. */
  async drained(): Promise<void> {
    while (this.active.size > 0 || this.background.size > 0)
      await Promise.all([...[...this.active.values()].map(({ done }) => done), ...this.background]);
  }

  private schedule(): void {
    if (this.stop.aborted) return;
    const busy = new Set([...this.active.values()].map(({ container }) => container));
    for (const { uid, name, spec } of this.candidates()) {
      const container = containerKeyOf(spec);
      if (this.active.has(uid)) continue;
      if (busy.has(container))
        this.reportWaiting(uid, `another checkpoint of container ${container} is in progress`);
      else if (this.active.size >= this.tools.settings.maxConcurrent)
        this.reportWaiting(uid, `the node has reached maxConcurrent (${this.tools.settings.maxConcurrent})`);
      else {
        const task = new Task(this.tools, { uid, name }, this.stop);
        this.active.set(uid, { task, container, done: this.run(task, uid) });
      }
      busy.add(container);
    }
  }

  /** Returns started ones first, then older ones first. */
  private candidates() {
    const begun = this.tools.journal.list();
    const known = new Set(begun.map(({ uid }) => uid));
    const waiting = this.objects
      .list()
      .filter(
        ({ metadata: { uid }, status }) => !known.has(uid) && !this.over.has(uid) && !isFinished(status),
      )
      .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
      .map(({ metadata: { uid, name }, spec }) => ({ uid, name, spec }));
    return [...begun.filter(({ uid }) => !this.over.has(uid)), ...waiting];
  }

  private async run(task: Task, uid: string): Promise<void> {
    try {
      await task.run();
      this.over.add(uid);
    } catch (error) {
      if (!this.stop.aborted) {
        this.tools.log.error({ uid, err: error }, "NodeCheckpoint: tried again");
        await sleep(AGAIN_MS, this.stop);
      }
    }
    this.active.delete(uid);
    this.schedule();
  }

  /** Reports once that it waits, so that the controller sees that the agent runs. */
  private reportWaiting(uid: string, why: string): void {
    const object = this.objects.list().find(({ metadata }) => metadata.uid === uid);
    if (!object || object.status.conditions || this.reported.has(uid)) return;
    this.reported.add(uid);
    const status = withConditions(object, {}, "waiting", "Pending", why);
    const work = this.tools.client
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
