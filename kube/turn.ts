/**
 * Bounds the work between two turns of the event loop. Promises that are resolved already let no other event be handled: a
 * loop over thousands of them would block requests, timers and the renewal of the lease.
 */
export class Turn {
  private count = 0;

  /** @param most steps in one turn */
  constructor(private readonly most: number) {}

  /** Ends a step. Waits for the next turn after the last one of this turn. */
  async next(): Promise<void> {
    if (this.count++ === 0)
      setImmediate(() => {
        this.count = 0;
      });
    while (this.count >= this.most) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
