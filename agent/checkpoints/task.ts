import type { NodeCheckpointReason, NodeCheckpointStatus } from "../../api";
import { InvalidInputError } from "../../config/schema";
import { exponential, sleep } from "../../kube";
import { ArchiveError, type ArchiveMetadata, type PushedImage } from "../archive";
import { Dump } from "./dump";
import { Failure } from "./failure";
import type { Entry } from "./journal";
import { isFinished, type NodeCheckpointObject } from "./object";
import { holdQuota } from "./quota";
import { resultOf } from "./result";
import { TaskStatus } from "./task-status";
import type { Tools } from "./tools";

/**
 * Brings one NodeCheckpoint to its end, from wherever the journal says that it is. What is about to be done is written to
 * the journal first, so that a process that dies between any two steps leaves enough for the next one.
 */
export class Task {
  private readonly gone = new AbortController();
  private readonly signal: AbortSignal;
  private readonly status: TaskStatus;

  constructor(
    private readonly tools: Tools,
    private readonly which: { readonly uid: string; readonly name: string },
    /** The process stops. */
    private readonly stop: AbortSignal,
  ) {
    this.signal = AbortSignal.any([stop, this.gone.signal]);
    this.status = new TaskStatus(tools, which, stop);
  }

  /** The object was deleted: nobody waits for it any more. */
  cancel(): void {
    this.gone.abort(new Error("the NodeCheckpoint was deleted"));
  }

  /** @throws the signal's reason; errors of the file system: the same again is safe */
  async run(): Promise<void> {
    const object = await this.status.read();
    if (object === undefined || isFinished(object.status)) return this.discard();
    const entry = this.tools.journal.get(this.which.uid);
    if (entry?.phase === "ended") return this.finish(entry);
    try {
      const pushed = await this.work(object, entry);
      await this.end("CheckpointCompleted", "checkpointed and pushed", resultOf(pushed));
    } catch (error) {
      this.stop.throwIfAborted();
      if (this.gone.signal.aborted) return this.discard();
      if (!(error instanceof Failure)) throw error;
      await this.end(error.reason, error.message);
    }
  }

  private async work(object: NodeCheckpointObject, found: Entry | undefined): Promise<PushedImage> {
    const { spec } = object;
    // What an earlier process began and left no entry of goes on in its time.
    const startMs = found?.startMs ?? (Date.parse(object.status.startTime ?? "") || Date.now());
    const deadlineMs = startMs + spec.timeoutSeconds * 1000;
    const dump = new Dump(this.tools, deadlineMs, this.signal);
    let entry = found ?? (await this.begin(object, startMs));
    if (entry.archive === undefined) entry = await (found ? dump.recover(entry) : dump.ask(entry));
    for (;;) {
      try {
        return await this.push(entry, entry.archive ?? "", deadlineMs);
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        if (entry.adopted !== true) throw new Failure("CheckpointFailed", error.message);
        this.tools.log.warn({ ...this.which, err: error }, "the archive of a lost answer is not whole");
      }
      entry = await dump.again(entry);
    }
  }

  /** The quota is looked at before anything is asked. */
  private async begin({ spec }: NodeCheckpointObject, startMs: number): Promise<Entry> {
    const { archives, journal, settings } = this.tools;
    if (!spec.image.startsWith(`${settings.repository}:`)) {
      const message = `image ${spec.image} is not in ${settings.repository}, where the agent's settings say that images go`;
      throw new Failure("RegistryFailed", message);
    }
    await holdQuota(this.tools, "before");
    const before = await archives.of(spec);
    await this.tell(startMs, "CheckpointInProgress", "the kubelet is asked");
    this.signal.throwIfAborted();
    const entry: Entry = { ...this.which, spec, phase: "asked", startMs, askedMs: Date.now(), before };
    await journal.put(entry);
    return entry;
  }

  private async push(entry: Entry, file: string, deadlineMs: number): Promise<PushedImage> {
    const { spec, startMs } = entry;
    const { archives, push, times, log } = this.tools;
    await holdQuota(this.tools, "after");
    const sizeBytes = (await archives.look(file))?.size;
    const more = { archive: file, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    // The push does not wait for it. It fails only when the process stops, which ends the push as well.
    this.tell(startMs, "Pushing", `to ${spec.image}`, more).catch(() => undefined);
    const check = (metadata: ArchiveMetadata) => checkPod(metadata, spec.podRef);
    for (let tries = 0; ; tries++) {
      this.signal.throwIfAborted();
      const left = AbortSignal.timeout(Math.max(1, deadlineMs - Date.now()));
      try {
        return await push({ file, image: spec.image, check, signal: AbortSignal.any([this.signal, left]) });
      } catch (error) {
        this.signal.throwIfAborted();
        if (error instanceof Failure || error instanceof ArchiveError) throw error;
        const said = error instanceof Error ? error.message : String(error);
        if (isAbsent(error) && (await archives.look(file)) === undefined) throw this.lost(entry, file);
        if (error instanceof InvalidInputError) throw new Failure("RegistryFailed", said);
        const wait = exponential(...times.backoffMs, tries);
        if (Date.now() + wait >= deadlineMs) {
          const message = `the image could not be pushed within the ${spec.timeoutSeconds} s of the checkpoint: ${said}`;
          throw new Failure("RegistryFailed", message);
        }
        log.warn({ ...this.which, err: error, tries, wait }, "push failed; it is tried again");
        await this.tell(startMs, "Pushing", `to ${spec.image}, again after: ${said}`, more);
        await sleep(wait, this.signal);
      }
    }
  }

  /** One that was found may have been deleted as no whole one by a process that died before it asked again. */
  private lost({ adopted }: Entry, file: string): Error {
    const problem = "was deleted by another program";
    return adopted ? new ArchiveError(file, problem) : new Failure("CheckpointFailed", `${file}: ${problem}`);
  }

  private async tell(
    startMs: number,
    reason: NodeCheckpointReason,
    message: string,
    more: NodeCheckpointStatus = {},
  ): Promise<void> {
    const status = { startTime: timeOf(startMs), ...more };
    if (!(await this.status.put(this.status.make(status, "working", reason, message)))) this.cancel();
  }

  /** Writes the end to the journal; from here on only that is done. */
  private async end(
    reason: NodeCheckpointReason,
    message: string,
    result?: NodeCheckpointStatus,
  ): Promise<void> {
    const { journal, archives, log } = this.tools;
    const entry = journal.get(this.which.uid);
    const times = { startTime: timeOf(entry?.startMs ?? Date.now()), completionTime: timeOf(Date.now()) };
    const outcome = result ? "completed" : "failed";
    const status = this.status.make({ ...times, ...result }, outcome, reason, message);
    log.info({ ...this.which, reason, message, image: result?.image }, "ended");
    // Nothing was asked: there is nothing but the status to write.
    if (entry === undefined) return void (await this.status.put(status));
    const { spec, askedMs, before } = entry;
    const open = askedMs === undefined ? undefined : await archives.askedAt(spec, askedMs, before);
    const archive = entry.archive ?? open;
    const ended: Entry = { ...entry, phase: "ended", status, ...(archive === undefined ? {} : { archive }) };
    await journal.put(ended);
    await this.finish(ended);
  }

  /** A status that says that it is over is not written before the archive is gone. */
  private async finish({ archive, status = {} }: Entry): Promise<void> {
    const { archives, journal } = this.tools;
    if (archive !== undefined) await archives.remove(archive);
    await this.status.put(status);
    await journal.remove(this.which.uid);
  }

  /** Nobody waits for it: what is left of it goes. */
  private async discard(): Promise<void> {
    const { archives, journal } = this.tools;
    const entry = journal.get(this.which.uid);
    if (entry === undefined) return;
    const { phase, archive, startMs, spec } = entry;
    const dump = new Dump(this.tools, startMs + spec.timeoutSeconds * 1000, this.stop);
    const found = archive ?? (phase === "asked" ? await dump.settled(entry, this.stop) : undefined);
    if (found !== undefined) await archives.remove(found);
    await journal.remove(this.which.uid);
  }
}

/** The kubelet knows no UIDs: only the archive tells which pod it was. */
function checkPod({ pod }: ArchiveMetadata, wanted: Entry["spec"]["podRef"]): void {
  if (pod.uid === undefined || pod.uid === wanted.uid) return;
  const message = `pod ${wanted.namespace}/${wanted.name} has UID ${pod.uid} and not ${wanted.uid}: it was replaced`;
  throw new Failure("SourcePodReplaced", message);
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
