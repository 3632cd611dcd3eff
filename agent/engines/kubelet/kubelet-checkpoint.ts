import { KubeletError } from "../../../clients/kubelet";
import { exponential, sleep } from "../../../kube";
import { CheckpointFailure } from "../../work";
import type { JobContext } from "./context";
import type { JournalEntry } from "./journal";

/** Requests a checkpoint from the kubelet and finds its archive, even if the response is lost. */
export class KubeletCheckpoint {
  constructor(
    private readonly context: JobContext,
    private readonly deadlineMs: number,
    /** Aborted when the process stops or the object is deleted. Does not abort a request in flight: its container is frozen. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Sends the request, with retries. The journal has the entry in phase `requested`.
   * @param retryFailures an earlier request may still be running and make this one fail: retry failures too
   * @returns the entry with its archive, as in the journal
   * @throws CheckpointFailure; the signal's reason
   */
  async request(first: JournalEntry, retryFailures = false): Promise<JournalEntry> {
    const { kubelet, times } = this.context;
    const since = Date.now();
    for (let entry = first, attempt = 0; ; attempt++) {
      try {
        const { podRef, containerName: container } = entry.spec;
        if (container === undefined)
          throw new CheckpointFailure("CheckpointFailed", "the kubelet needs spec.containerName");
        const target = { namespace: podRef.namespace, pod: podRef.name, container };
        const timeoutSeconds = Math.max(1, Math.ceil((this.deadlineMs - Date.now()) / 1000));
        const [path = ""] = await kubelet.checkpoint({ ...target, timeoutSeconds });
        return await this.archived(entry, path);
      } catch (error) {
        if (!(error instanceof KubeletError)) throw error;
        if (error.outcome === "unknown") return this.recover(entry);
        if (error.outcome === "failed") await this.removeRequested(entry);
        entry = await this.put({ ...entry, requestedMs: undefined });
        const over = Date.now() - since >= times.kubeletMs || Date.now() >= this.deadlineMs;
        if (error.status === 404) throw new CheckpointFailure("ContainerNotFound", error.message);
        if (!error.retryable || over || (error.outcome === "failed" && !retryFailures))
          throw new CheckpointFailure("CheckpointFailed", error.message);
      }
      await this.pause(exponential(...times.backoffMs, attempt));
      entry = await this.put({ ...entry, requestedMs: Date.now() });
    }
  }

  /** Continues after a lost response: with the archive if one appears, else with a new request. */
  async recover(entry: JournalEntry): Promise<JournalEntry> {
    const archive = await this.findArchive(entry, this.signal);
    if (archive === undefined) return this.requestAgain(entry);
    return this.put({ ...entry, phase: "archived", archive, adopted: true });
  }

  /** Deletes the archive, if any, and sends the request again. */
  async requestAgain(entry: JournalEntry): Promise<JournalEntry> {
    this.signal.throwIfAborted();
    if (Date.now() >= this.deadlineMs) {
      const message = `the kubelet's response was lost, and no complete archive appeared within ${entry.spec.timeoutSeconds} s`;
      throw new CheckpointFailure("CheckpointFailed", message);
    }
    await this.removeRequested(entry);
    const { archive, adopted: _adopted, ...rest } = entry;
    if (archive !== undefined) await this.context.archives.remove(archive);
    const before = await this.context.archives.ofContainer(entry.spec);
    const next: JournalEntry = { ...rest, phase: "requested", before, requestedMs: Date.now() };
    return this.request(await this.put(next), true);
  }

  /**
   * Waits until the archive of a lost response is no longer written.
   * @returns its path; undefined if none appeared in time
   */
  async findArchive(
    { spec, requestedMs, before }: JournalEntry,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (requestedMs === undefined) return undefined;
    const { archives, times } = this.context;
    for (const since = Date.now(); ;) {
      const path = await archives.requestedAt(spec, requestedMs, before);
      const file = path === undefined ? undefined : await archives.stat(path);
      const waited = Date.now() - (file?.changedMs ?? since);
      if (file === undefined ? waited >= times.settleMs : waited >= times.quietMs) return file && path;
      // The file still grows after the deadline: it is not the archive of this request.
      if (Date.now() >= this.deadlineMs + times.settleMs) return undefined;
      await this.pause(times.quietMs / 2, signal);
    }
  }

  private async archived(entry: JournalEntry, path: string): Promise<JournalEntry> {
    if (this.context.archives.contains(path)) return this.put({ ...entry, phase: "archived", archive: path });
    await this.put({ ...entry, requestedMs: undefined });
    const message = `the kubelet wrote ${path}, which is not in the configured archive directory; the file is kept`;
    throw new CheckpointFailure("CheckpointFailed", message);
  }

  private async removeRequested({ spec, requestedMs, before }: JournalEntry): Promise<void> {
    const { archives } = this.context;
    const path =
      requestedMs === undefined ? undefined : await archives.requestedAt(spec, requestedMs, before);
    if (path !== undefined) await archives.remove(path);
  }

  private async put(entry: JournalEntry): Promise<JournalEntry> {
    await this.context.journal.put(entry);
    return entry;
  }

  private async pause(ms: number, signal = this.signal): Promise<void> {
    await sleep(ms, signal);
    signal.throwIfAborted();
  }
}
