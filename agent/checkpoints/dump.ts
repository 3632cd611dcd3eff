import { KubeletError } from "../../clients/kubelet";
import { exponential, sleep } from "../../kube";
import { Failure } from "./failure";
import type { Entry } from "./journal";
import type { Tools } from "./tools";

/** From the question to the kubelet to the archive of its answer, whatever becomes of the answer. */
export class Dump {
  constructor(
    private readonly tools: Tools,
    private readonly deadlineMs: number,
    /** Given when the process stops or nobody waits any more. A question under way is not cut: its container stands still. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Asks. The entry is in the journal, as asked.
   * @param patient whether an earlier question may still be at work, so that a failure is no end
   * @returns the entry with its archive, as the journal has it
   * @throws Failure; the signal's reason
   */
  async ask(first: Entry, patient = false): Promise<Entry> {
    const { kubelet, times } = this.tools;
    const since = Date.now();
    for (let entry = first, tries = 0; ; tries++) {
      try {
        const { podRef, containerName: container } = entry.spec;
        const where = { namespace: podRef.namespace, pod: podRef.name, container };
        const timeoutSeconds = Math.max(1, Math.ceil((this.deadlineMs - Date.now()) / 1000));
        const [path = ""] = await kubelet.checkpoint({ ...where, timeoutSeconds });
        return await this.keep(entry, path);
      } catch (error) {
        if (!(error instanceof KubeletError)) throw error;
        if (error.outcome === "unknown") return this.recover(entry);
        if (error.outcome === "failed") await this.removeAsked(entry);
        entry = await this.put({ ...entry, askedMs: undefined });
        const over = Date.now() - since >= times.kubeletMs || Date.now() >= this.deadlineMs;
        if (error.status === 404) throw new Failure("ContainerNotFound", error.message);
        if (!error.retryable || over || (error.outcome === "failed" && !patient))
          throw new Failure("CheckpointFailed", error.message);
      }
      await this.pause(exponential(...times.backoffMs, tries));
      entry = await this.put({ ...entry, askedMs: Date.now() });
    }
  }

  /** Goes on where an answer was lost: with the archive that is there in the end, else by asking again. */
  async recover(entry: Entry): Promise<Entry> {
    const archive = await this.settled(entry, this.signal);
    if (archive === undefined) return this.again(entry);
    return this.put({ ...entry, phase: "archived", archive, adopted: true });
  }

  /** Deletes what there is of an archive, and asks once more. */
  async again(entry: Entry): Promise<Entry> {
    this.signal.throwIfAborted();
    if (Date.now() >= this.deadlineMs) {
      const message = `the kubelet's answer was lost, and there was no whole archive within ${entry.spec.timeoutSeconds} s`;
      throw new Failure("CheckpointFailed", message);
    }
    await this.removeAsked(entry);
    const { archive, adopted: _adopted, ...rest } = entry;
    if (archive !== undefined) await this.tools.archives.remove(archive);
    const before = await this.tools.archives.of(entry.spec);
    const asked: Entry = { ...rest, phase: "asked", before, askedMs: Date.now() };
    return this.ask(await this.put(asked), true);
  }

  /**
   * Waits until nobody writes the archive of a lost answer any more.
   * @returns its path; undefined if there is none, and will be none
   */
  async settled({ spec, askedMs, before }: Entry, signal: AbortSignal): Promise<string | undefined> {
    if (askedMs === undefined) return undefined;
    const { archives, times } = this.tools;
    for (const since = Date.now(); ;) {
      const path = await archives.askedAt(spec, askedMs, before);
      const look = path === undefined ? undefined : await archives.look(path);
      const waited = Date.now() - (look?.changedMs ?? since);
      if (look === undefined ? waited >= times.settleMs : waited >= times.quietMs) return look && path;
      // It grows although all time is over: what is there is no archive of ours that anybody waits for.
      if (Date.now() >= this.deadlineMs + times.settleMs) return undefined;
      await this.pause(times.quietMs / 2, signal);
    }
  }

  private async keep(entry: Entry, path: string): Promise<Entry> {
    if (this.tools.archives.holds(path)) return this.put({ ...entry, phase: "archived", archive: path });
    await this.put({ ...entry, askedMs: undefined });
    const message = `the kubelet wrote ${path}, which is not in the folder of archives of the agent's settings; it is left there`;
    throw new Failure("CheckpointFailed", message);
  }

  private async removeAsked({ spec, askedMs, before }: Entry): Promise<void> {
    const { archives } = this.tools;
    const path = askedMs === undefined ? undefined : await archives.askedAt(spec, askedMs, before);
    if (path !== undefined) await archives.remove(path);
  }

  private async put(entry: Entry): Promise<Entry> {
    await this.tools.journal.put(entry);
    return entry;
  }

  private async pause(ms: number, signal = this.signal): Promise<void> {
    await sleep(ms, signal);
    signal.throwIfAborted();
  }
}
