/** Limits what runs at a time. */
export class Slots {
  private used = 0;
  private readonly urgent = new Set<() => void>();
  private readonly waiting = new Set<() => void>();

  constructor(readonly limit: number) {}

  get isFull(): boolean {
    return this.used >= this.limit;
  }

  /**
   * Waits for a slot and takes it, in the order of the calls. Call `release` afterwards.
   * @param first whether it comes before those that wait without it
   * @throws the signal's reason
   */
  async take(signal: AbortSignal, first = false): Promise<void> {
    signal.throwIfAborted();
    if (!this.isFull) {
      this.used++;
      return;
    }
    const queue = first ? this.urgent : this.waiting;
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        queue.delete(begin);
        reject(signal.reason as Error);
      };
      queue.add(begin);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Releases a slot: the next that waits gets it. */
  release(): void {
    const queue = this.urgent.size > 0 ? this.urgent : this.waiting;
    const [next] = queue;
    if (next === undefined) {
      this.used--;
      return;
    }
    queue.delete(next);
    next();
  }
}
