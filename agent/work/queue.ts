import { sleep, type CustomResource, type Logger, type Objects } from "../../kube";
import type { WorkStatus } from "./status";

/** One object of this node, or what an earlier process or a deleted object left. */
export interface Request {
  readonly uid: string;
  readonly name: string;
  /** What only one job at a time may use: `container shop/web/app`. */
  readonly subject: string;
}

/** Runs one request to its outcome. */
export interface Job {
  /** Aborts when it continues beyond its timeout. It does not count against `maxConcurrent` from then on. */
  readonly overdue?: AbortSignal;
  /** Can be repeated after an error. @throws errors of the agent itself; the signal's reason */
  run(): Promise<void>;
  /** Stops it, because the object was deleted. */
  cancel(): void;
}

/** What the agent does for the objects of one kind. */
export interface Work<Spec, Status extends WorkStatus> {
  /** Name of the kind, for the log. */
  readonly kind: string;
  /** Maximum number of jobs at a time. */
  readonly maxConcurrent: number;
  /** Starts, before the first job. @throws errors of the file system */
  load(): Promise<void>;
  /** Returns requests that earlier processes started, or whose objects were deleted. They run first. */
  started(): readonly Request[];
  requestOf(object: CustomResource<Spec, Status>): Request;
  isFinished(status: Status): boolean;
  job(request: Request): Job;
  /** Reports that a request waits. Never rejects. @returns false if that failed */
  reportWaiting(object: CustomResource<Spec, Status>, message: string): Promise<boolean>;
  /** Called when an object was deleted. */
  deleted?(object: CustomResource<Spec, Status>): void;
}

interface Active {
  readonly job: Job;
  readonly subject: string;
  readonly done: Promise<void>;
}

/** Delay after an error of the agent itself (a full disk, an unreadable token). */
const RETRY_MS = 5000;

/** Runs the requests of this node: one at a time per subject, a limited number in all, older ones first. */
export class Queue<Spec, Status extends WorkStatus> {
  private readonly active = new Map<string, Active>();
  /** Finished by this process; the cache may be stale. */
  private readonly finished = new Set<string>();
  private readonly reported = new Set<string>();
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly work: Work<Spec, Status>,
    private readonly objects: Pick<Objects<CustomResource<Spec, Status>>, "list" | "onChange">,
    private readonly log: Pick<Logger, "error">,
    private readonly stop: AbortSignal,
  ) {}

  /** Starts. The objects must be synced. @throws errors of the file system */
  async start(): Promise<void> {
    await this.work.load();
    this.objects.onChange(({ old, new: now }) => {
      if (old && !now) {
        const { uid } = old.metadata;
        this.work.deleted?.(old);
        this.active.get(uid)?.job.cancel();
        this.finished.delete(uid);
        this.reported.delete(uid);
      }
      this.schedule();
    });
    this.schedule();
  }

  /** Starts jobs for what `started` returns now. */
  wake(): void {
    this.schedule();
  }

  /** Resolves when no job is in progress. */
  async drained(): Promise<void> {
    while (this.active.size > 0 || this.background.size > 0)
      await Promise.all([...[...this.active.values()].map(({ done }) => done), ...this.background]);
  }

  private schedule(): void {
    if (this.stop.aborted) return;
    const { work, active } = this;
    const busy = new Set([...active.values()].map(({ subject }) => subject));
    for (const request of this.candidates()) {
      const { uid, subject } = request;
      if (active.has(uid)) continue;
      if (busy.has(subject)) this.reportWaiting(uid, `another checkpoint of ${subject} is in progress`);
      else if (this.counted() >= work.maxConcurrent)
        this.reportWaiting(uid, `the node has reached maxConcurrent (${work.maxConcurrent})`);
      else {
        const job = work.job(request);
        job.overdue?.addEventListener("abort", () => this.schedule(), { once: true });
        active.set(uid, { job, subject, done: this.run(job, uid) });
      }
      busy.add(subject);
    }
  }

  /** Returns how many jobs count against the maximum: one that cannot end must not keep others from starting. */
  private counted(): number {
    return [...this.active.values()].filter(({ job }) => !job.overdue?.aborted).length;
  }

  /** Returns started requests first, then the others by age. */
  private candidates(): readonly Request[] {
    const started = this.work.started();
    const known = new Set(started.map(({ uid }) => uid));
    const waiting = this.objects
      .list()
      .filter(({ metadata: { uid }, status }) => !known.has(uid) && this.isOpen(uid, status))
      .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
      .map((object) => this.work.requestOf(object));
    return [...started.filter(({ uid }) => !this.finished.has(uid)), ...waiting];
  }

  private isOpen(uid: string, status: Status): boolean {
    return !this.finished.has(uid) && !this.work.isFinished(status);
  }

  private async run(job: Job, uid: string): Promise<void> {
    try {
      await job.run();
      this.finished.add(uid);
    } catch (error) {
      if (!this.stop.aborted) {
        this.log.error({ uid, err: error }, `${this.work.kind} failed; retrying`);
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
    const work = this.work
      .reportWaiting(object, message)
      .then((isReported) => void (isReported || this.reported.delete(uid)))
      .finally(() => this.background.delete(work));
    this.background.add(work);
  }
}

function orderOf({ metadata: { creationTimestamp, name } }: CustomResource<unknown, unknown>): string {
  return `${creationTimestamp} ${name}`;
}
