/** The checkpoint agent of a node: requests checkpoints from the kubelet and pushes them as images. */
import { Cache, Client, sleep, type Logger, type Objects, type Transport } from "../../kube";
import { TIMES, pushWith, type JobContext } from "./context";
import { CheckpointJob } from "./job";
import { NODE_CHECKPOINT, isFinished, withConditions, type NodeCheckpointObject } from "./status";
import type { KubeletClient } from "../../clients/kubelet";
import type { KubeletAgentSettings } from "../../config/programs/agent";
import { NODE_LABEL, nodeLabelValue } from "../../api";
import type { Identity } from "../registry";
import { ArchiveDirectory } from "./archives";
import { Journal } from "./journal";

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

/** How long requests to the kubelet are awaited when the process stops: an aborted one delays its container. */
const DRAIN_MS = 20_000;

/** Name of the agent's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-agent";

export interface RunAgentOptions {
  readonly nodeName: string;
  readonly transport: Transport;
  readonly kubelet: Pick<KubeletClient, "checkpoint">;
  readonly identity: Identity;
  readonly log: Logger;
  /** Starts no further job. Requests to the kubelet are awaited; pushes are aborted and repeated after the restart. */
  readonly stop: AbortSignal;
}

/**
 * Runs the NodeCheckpoints of a node until the signal.
 * @throws errors of the file system, if the state directory cannot be used
 */
export async function runAgent(settings: KubeletAgentSettings, options: RunAgentOptions): Promise<void> {
  const { nodeName, transport, kubelet, identity, log, stop } = options;
  const cache = new Cache({ transport, log });
  const nodeCheckpoints = cache.objects(NODE_CHECKPOINT, {
    namespaces: [settings.namespace],
    labelSelector: `${NODE_LABEL}=${nodeLabelValue(nodeName)}`,
  });
  const context: JobContext = {
    settings,
    client: new Client(transport, { fieldManager: FIELD_MANAGER }),
    kubelet,
    journal: new Journal(settings.state, log),
    archives: new ArchiveDirectory(settings.archives),
    push: pushWith(settings.registry, identity),
    times: TIMES,
    log,
  };
  const worker = new Worker(context, nodeCheckpoints, stop);
  const ending = new AbortController();
  const running = cache.run(ending.signal);
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([nodeCheckpoints.synced, stopped]);
  if (!stop.aborted) {
    await worker.start();
    log.info({ node: nodeName, resumed: context.journal.list().length }, "processing NodeCheckpoints");
    await stopped;
  }
  await Promise.race([worker.drained(), sleep(DRAIN_MS, ending.signal)]);
  ending.abort();
  await running;
}
