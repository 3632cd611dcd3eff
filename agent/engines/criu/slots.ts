/** Limits what runs at a time. */
export class Slots {
  private used = 0;
  private waiting = new Set<() => void>();

  constructor(readonly limit: number) {}

  get isFull(): boolean {
    return this.used >= this.limit;
  }

  /**
   * Waits for a slot and takes it, in the order of the calls. Call `release` afterwards.
   * @param first whether it comes before all that wait
   * @throws the signal's reason
   */
  async take(signal: AbortSignal, first = false): Promise<void> {
    signal.throwIfAborted();
    if (!this.isFull) {
      this.used++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.waiting.delete(begin);
        reject(signal.reason as Error);
      };
      this.waiting = new Set(first ? [begin, ...this.waiting] : [...this.waiting, begin]);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Releases a slot: the next that waits gets it. */
  release(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.used--;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
