import type { NodeCheckpointReason, NodeCheckpointStatus } from "../../api";
import { InvalidInputError } from "../../config/schema";
import { exponential, sleep } from "../../kube";
import { ArchiveError, type ArchiveMetadata, type PushedImage } from "../archive";
import { CheckpointFailure, type JobContext } from "./context";
import type { JournalEntry } from "./journal";
import { KubeletCheckpoint } from "./kubelet-checkpoint";
import { checkQuota } from "./quota";
import { isFinished, resultOf, StatusWriter, type NodeCheckpointObject } from "./status";

/**
 * Runs one NodeCheckpoint to its outcome, starting at the phase in the journal. Writes each step to the journal before it takes
 * the step, so that the next process can continue after a crash at any point.
 */
export class CheckpointJob {
  private readonly deleted = new AbortController();
  private readonly signal: AbortSignal;
  private readonly status: StatusWriter;

  constructor(
    private readonly context: JobContext,
    private readonly id: { readonly uid: string; readonly name: string },
    /** Aborted when the process stops. */
    private readonly stop: AbortSignal,
  ) {
    this.signal = AbortSignal.any([stop, this.deleted.signal]);
    this.status = new StatusWriter(context, id, stop);
  }

  /** Cancels the job because the object was deleted. */
  cancel(): void {
    this.deleted.abort(new Error("the NodeCheckpoint was deleted"));
  }

  /** Runs the job. A retry after an error is safe. @throws the signal's reason; errors of the file system */
  async run(): Promise<void> {
    const object = await this.status.read();
    if (object === undefined || isFinished(object.status)) return this.discard();
    const entry = this.context.journal.get(this.id.uid);
    if (entry?.phase === "finished") return this.cleanUp(entry);
    try {
      const pushed = await this.checkpointAndPush(object, entry);
      await this.finish("CheckpointCompleted", "checkpointed and pushed", resultOf(pushed));
    } catch (error) {
      this.stop.throwIfAborted();
      if (this.deleted.signal.aborted) return this.discard();
      if (!(error instanceof CheckpointFailure)) throw error;
      await this.finish(error.reason, error.message);
    }
  }

  private async checkpointAndPush(
    object: NodeCheckpointObject,
    found: JournalEntry | undefined,
  ): Promise<PushedImage> {
    const { spec } = object;
    // A previous process may have crashed before it wrote an entry: its start time counts.
    const startMs = found?.startMs ?? (Date.parse(object.status.startTime ?? "") || Date.now());
    const deadlineMs = startMs + spec.timeoutSeconds * 1000;
    const kubelet = new KubeletCheckpoint(this.context, deadlineMs, this.signal);
    let entry = found ?? (await this.begin(object, startMs));
    if (entry.archive === undefined) entry = await (found ? kubelet.recover(entry) : kubelet.request(entry));
    for (;;) {
      try {
        return await this.push(entry, entry.archive ?? "", deadlineMs);
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        if (entry.adopted !== true) throw new CheckpointFailure("CheckpointFailed", error.message);
        this.context.log.warn({ ...this.id, err: error }, "the archive of a lost response is incomplete");
      }
      entry = await kubelet.requestAgain(entry);
    }
  }

  /** Checks image and quota, and writes the entry for the first request. */
  private async begin({ spec }: NodeCheckpointObject, startMs: number): Promise<JournalEntry> {
    const { archives, journal, settings } = this.context;
    if (!spec.image.startsWith(`${settings.repository}:`)) {
      const message = `image ${spec.image} is not in the configured repository ${settings.repository}`;
      throw new CheckpointFailure("RegistryFailed", message);
    }
    await checkQuota(this.context, "before");
    const before = await archives.ofContainer(spec);
    await this.report(startMs, "CheckpointInProgress", "requesting the checkpoint from the kubelet");
    this.signal.throwIfAborted();
    const entry: JournalEntry = {
      ...this.id,
      spec,
      phase: "requested",
      startMs,
      requestedMs: Date.now(),
      before,
    };
    await journal.put(entry);
    return entry;
  }

  private async push(entry: JournalEntry, file: string, deadlineMs: number): Promise<PushedImage> {
    const { spec, startMs } = entry;
    const { archives, push, times, log } = this.context;
    await checkQuota(this.context, "after");
    const sizeBytes = (await archives.stat(file))?.size;
    const fields = { archive: file, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    // Not awaited: it rejects only when the process stops, and then the push is aborted too.
    this.report(startMs, "Pushing", `to ${spec.image}`, fields).catch(() => undefined);
    const check = (metadata: ArchiveMetadata) => checkPod(metadata, spec.podRef);
    for (let attempt = 0; ; attempt++) {
      this.signal.throwIfAborted();
      const deadline = AbortSignal.timeout(Math.max(1, deadlineMs - Date.now()));
      try {
        return await push({
          file,
          image: spec.image,
          check,
          signal: AbortSignal.any([this.signal, deadline]),
        });
      } catch (error) {
        this.signal.throwIfAborted();
        if (error instanceof CheckpointFailure || error instanceof ArchiveError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        if (isAbsent(error) && (await archives.stat(file)) === undefined)
          throw this.missingArchive(entry, file);
        if (error instanceof InvalidInputError) throw new CheckpointFailure("RegistryFailed", text);
        const delay = exponential(...times.backoffMs, attempt);
        if (Date.now() + delay >= deadlineMs) {
          const message = `the image could not be pushed within ${spec.timeoutSeconds} s: ${text}`;
          throw new CheckpointFailure("RegistryFailed", message);
        }
        log.warn({ ...this.id, err: error, attempt, delay }, "push failed; retrying");
        await this.report(startMs, "Pushing", `to ${spec.image}, retrying after: ${text}`, fields);
        await sleep(delay, this.signal);
      }
    }
  }

  /** Returns the error for a missing archive. A previous process may have deleted an adopted one before a new request. */
  private missingArchive({ adopted }: JournalEntry, file: string): Error {
    const problem = "was deleted by another program";
    return adopted
      ? new ArchiveError(file, problem)
      : new CheckpointFailure("CheckpointFailed", `${file}: ${problem}`);
  }

  private async report(
    startMs: number,
    reason: NodeCheckpointReason,
    message: string,
    fields: NodeCheckpointStatus = {},
  ): Promise<void> {
    const status = { startTime: timeOf(startMs), ...fields };
    if (!(await this.status.put(this.status.make(status, "working", reason, message)))) this.cancel();
  }

  /** Writes the outcome to the journal, then cleans up. */
  private async finish(
    reason: NodeCheckpointReason,
    message: string,
    result?: NodeCheckpointStatus,
  ): Promise<void> {
    const { journal, archives, log } = this.context;
    const entry = journal.get(this.id.uid);
    const times = { startTime: timeOf(entry?.startMs ?? Date.now()), completionTime: timeOf(Date.now()) };
    const outcome = result ? "completed" : "failed";
    const status = this.status.make({ ...times, ...result }, outcome, reason, message);
    log.info({ ...this.id, reason, message, image: result?.image }, "NodeCheckpoint finished");
    // Without an entry no request was sent: only the status must be written.
    if (entry === undefined) return void (await this.status.put(status));
    const { spec, requestedMs, before } = entry;
    const found =
      requestedMs === undefined ? undefined : await archives.requestedAt(spec, requestedMs, before);
    const archive = entry.archive ?? found;
    const finished: JournalEntry = {
      ...entry,
      phase: "finished",
      status,
      ...(archive === undefined ? {} : { archive }),
    };
    await journal.put(finished);
    await this.cleanUp(finished);
  }

  /** Deletes the archive before it writes the final status. */
  private async cleanUp({ archive, status = {} }: JournalEntry): Promise<void> {
    const { archives, journal } = this.context;
    if (archive !== undefined) await archives.remove(archive);
    await this.status.put(status);
    await journal.remove(this.id.uid);
  }

  /** Deletes archive and entry of an object that was deleted or is finished. */
  private async discard(): Promise<void> {
    const { archives, journal } = this.context;
    const entry = journal.get(this.id.uid);
    if (entry === undefined) return;
    const { phase, archive, startMs, spec } = entry;
    const kubelet = new KubeletCheckpoint(this.context, startMs + spec.timeoutSeconds * 1000, this.stop);
    const found =
      archive ?? (phase === "requested" ? await kubelet.findArchive(entry, this.stop) : undefined);
    if (found !== undefined) await archives.remove(found);
    await journal.remove(this.id.uid);
  }
}

/** Checks the pod's UID in the archive, because the kubelet's API has no UIDs. */
function checkPod({ pod }: ArchiveMetadata, expected: JournalEntry["spec"]["podRef"]): void {
  if (pod.uid === undefined || pod.uid === expected.uid) return;
  const message = `pod ${expected.namespace}/${expected.name} was replaced: its UID is ${pod.uid}, not ${expected.uid}`;
  throw new CheckpointFailure("SourcePodReplaced", message);
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
