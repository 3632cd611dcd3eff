import type { Busy } from "./slots";

/** Requests of this process to engines whose outcome is not known yet. */
export class InFlight {
  private readonly busy = new Map<string, Busy>();
  private readonly work = new Set<Promise<void>>();
  private readonly giveUp = new AbortController();

  /** Aborted when the process cannot wait for engines any longer. */
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

  /** Reserves the slot at once. @returns the function that releases it */
  reserve(busy: Busy): () => void {
    this.busy.set(busy.uid, busy);
    return () => this.busy.delete(busy.uid);
  }

  /** @param work must not throw */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** Waits for all requests; gives them up after the grace period. */
  async drain(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.giveUp.abort(new Error("the controller stops")), graceMs);
    while (this.work.size > 0) await Promise.all(this.work);
    clearTimeout(timer);
  }
}
