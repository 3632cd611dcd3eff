import type { Store } from "../../kube/runtime";
import { sleep } from "../../kube/runtime/backoff";
import { containerKeyOf, isFinished, type NodeCheckpointObject } from "./object";
import { putStatus, withConditions } from "./status";
import { Task } from "./task";
import type { Tools } from "./tools";

interface Active {
  readonly task: Task;
  readonly container: string;
  readonly done: Promise<void>;
}

/** After a failure that is nobody's answer (a full disk, a token that cannot be read). */
const AGAIN_MS = 5000;

/** Works on the NodeCheckpoints of this node: one at a time for a container, some at a time in all, older ones first. */
export class Worker {
  private readonly active = new Map<string, Active>();
  /** Brought to their end here; the store may not know it yet. */
  private readonly over = new Set<string>();
  private readonly told = new Set<string>();
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly tools: Tools,
    private readonly store: Pick<Store<NodeCheckpointObject>, "list" | "onChange">,
    private readonly stop: AbortSignal,
  ) {}

  /**
   * Begins. The store is filled.
   * @throws errors of the file system, if the journal cannot be read
   */
  async start(): Promise<void> {
    await this.tools.journal.load();
    this.store.onChange(({ old, new: now }) => {
      if (old && !now) {
        const { uid } = old.metadata;
        this.active.get(uid)?.task.cancel();
        this.over.delete(uid);
        this.told.delete(uid);
      }
      this.schedule();
    });
    this.schedule();
  }

  /** Settles when nothing is worked on. */
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
      if (busy.has(container)) this.tell(uid, `another checkpoint of container ${container} is under way`);
      else if (this.active.size >= this.tools.settings.maxConcurrent)
        this.tell(uid, `the node has its most checkpoints at a time (${this.tools.settings.maxConcurrent})`);
      else {
        const task = new Task(this.tools, { uid, name }, this.stop);
        this.active.set(uid, { task, container, done: this.run(task, uid) });
      }
      busy.add(container);
    }
  }

  /** First what was begun, then older ones first. */
  private candidates() {
    const begun = this.tools.journal.list();
    const known = new Set(begun.map(({ uid }) => uid));
    const waiting = this.store
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

  /** Says once that it waits: whoever made it sees that there is an agent. What comes later in the status says more. */
  private tell(uid: string, why: string): void {
    const object = this.store.list().find(({ metadata }) => metadata.uid === uid);
    if (!object || object.status.conditions || this.told.has(uid)) return;
    this.told.add(uid);
    const status = withConditions(object, {}, "waiting", "Pending", why);
    const work = putStatus(this.tools.client, object, status)
      .then(
        () => {},
        () => void this.told.delete(uid),
      )
      .finally(() => this.background.delete(work));
    this.background.add(work);
  }
}

function orderOf({ metadata: { creationTimestamp, name } }: NodeCheckpointObject): string {
  return `${creationTimestamp} ${name}`;
}
