import { AsyncLocalStorage } from "node:async_hooks";

interface Timer {
  atMs: number;
  readonly order: number;
  readonly owner: unknown;
  readonly call: () => void;
}

const realImmediate = setImmediate;

/**
 * Timers and clocks of a test, much faster than jest's, and with owners: those of one owner can be held up while others
 * go on, as in a process that is paused.
 */
export class VirtualTime {
  nowMs = 0;
  /** When a timer of this owner may fire at the soonest; for a paused process the end of its pause. */
  heldUntil: (owner: unknown) => number = () => 0;
  private readonly owners = new AsyncLocalStorage<unknown>();
  private readonly timers = new Set<Timer>();
  private readonly restored: (() => void)[] = [];
  private order = 0;

  install(): this {
    const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms = 0) => this.after(ms, call),
      clearTimeout: (timer: Timer) => void this.timers.delete(timer),
    });
    const clocks = [
      jest.spyOn(performance, "now").mockImplementation(() => this.nowMs),
      jest.spyOn(Date, "now").mockImplementation(() => EPOCH_MS + this.nowMs),
    ];
    this.restored.push(
      () => Object.assign(globalThis, real),
      ...clocks.map((clock) => () => clock.mockRestore()),
    );
    return this;
  }

  uninstall(): void {
    for (const restore of this.restored.splice(0)) restore();
  }

  /** Runs as an owner: all timers that come of it are its own. */
  as<T>(owner: unknown, run: () => T): T {
    return this.owners.run(owner, run);
  }

  /** Whose code runs. */
  get owner(): unknown {
    return this.owners.getStore();
  }

  after(ms: number, call: () => void): Timer {
    const timer = { atMs: this.nowMs + ms, order: this.order++, owner: this.owner, call };
    this.timers.add(timer);
    return timer;
  }

  /** Forgets all timers. */
  clear(): void {
    this.timers.clear();
  }

  /** Fires timers in order until then. `look` is called just before each and after what came of it. */
  async until(endMs: number, look: () => void): Promise<void> {
    await new Promise<void>((resolve) => realImmediate(resolve));
    for (let next = this.next(); next && next.atMs <= endMs; next = this.next()) {
      const heldMs = this.heldUntil(next.owner);
      if (heldMs > next.atMs) {
        next.atMs = heldMs;
        continue;
      }
      this.nowMs = Math.max(this.nowMs, next.atMs);
      look();
      this.timers.delete(next);
      this.owners.run(next.owner, next.call);
      await new Promise<void>((resolve) => realImmediate(resolve));
      look();
    }
    this.nowMs = endMs;
    look();
  }

  private next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers)
      if (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order))
        first = timer;
    return first;
  }
}

const EPOCH_MS = Date.parse("2026-11-21T12:00:00Z");
