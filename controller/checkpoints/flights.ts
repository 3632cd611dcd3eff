import type { Busy } from "./slots";

/** What this process has asked engines for and has no answer to. */
export class Flights {
  private readonly busy = new Map<string, Busy>();
  private readonly work = new Set<Promise<void>>();
  private readonly giveUp = new AbortController();

  /** Ends what engines are asked, when the process cannot wait any longer. */
  get signal(): AbortSignal {
    return this.giveUp.signal;
  }

  get size(): number {
    return this.busy.size;
  }

  has(uid: string): boolean {
    return this.busy.has(uid);
  }

  list(): readonly Busy[] {
    return [...this.busy.values()];
  }

  /** Takes the slot at once. @returns what gives it back */
  reserve(busy: Busy): () => void {
    this.busy.set(busy.uid, busy);
    return () => this.busy.delete(busy.uid);
  }

  /** @param work must not throw */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** Waits for all work; after so long it is given up. */
  async drain(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.giveUp.abort(new Error("the controller stops")), graceMs);
    while (this.work.size > 0) await Promise.all(this.work);
    clearTimeout(timer);
  }
}
