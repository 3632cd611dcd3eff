import { AsyncLocalStorage } from "node:async_hooks";

interface Timer {
  atMs: number;
  readonly everyMs?: number;
  readonly order: number;
  readonly owner: unknown;
  readonly call: () => void;
}

const EPOCH_MS = Date.parse("2026-11-21T12:00:00Z");
const realImmediate = setImmediate;
/** Resolves after all pending promise callbacks have run. */
const idle = () => new Promise<void>((resolve) => realImmediate(resolve));

/**
 * Timers and clocks that a test advances. Faster than jest's, and with owners: the timers of one owner can be delayed while
 * others fire, as in a paused process. `new Date()` is still real.
 */
export class VirtualTime {
  nowMs = 0;
  /** Returns the earliest time for timers of an owner: for a paused process the end of its pause. */
  pausedUntil: (owner: unknown) => number = () => 0;
  private readonly owners = new AsyncLocalStorage<unknown>();
  private readonly timers = new Set<Timer>();
  private readonly restored: (() => void)[] = [];
  private order = 0;

  install(): this {
    const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
    const clear = (timer: Timer) => void this.timers.delete(timer);
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms = 0) => this.after(ms, call),
      setInterval: (call: () => void, ms: number) => this.add({ ms, everyMs: ms, call }),
      clearTimeout: clear,
      clearInterval: clear,
    });
    const clocks = [
      jest.spyOn(performance, "now").mockImplementation(() => this.nowMs),
      jest.spyOn(Date, "now").mockImplementation(() => EPOCH_MS + this.nowMs),
    ];
    this.restored.push(
      () => Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval }),
      ...clocks.map((clock) => () => clock.mockRestore()),
    );
    return this;
  }

  uninstall(): void {
    for (const restore of this.restored.splice(0)) restore();
    this.clear();
  }

  /** Runs a function as an owner, to which its timers belong. */
  as<T>(owner: unknown, run: () => T): T {
    return this.owners.run(owner, run);
  }

  /** Owner of the running code. */
  get owner(): unknown {
    return this.owners.getStore();
  }

  after(ms: number, call: () => void): Timer {
    return this.add({ ms, call });
  }

  /** Removes all timers. */
  clear(): void {
    this.timers.clear();
  }

  /** Fires timers in order until a time. `observe` is called before each timer and after its effects. */
  async until(endMs: number, observe = () => {}): Promise<void> {
    await idle();
    while (await this.fire(endMs, observe));
    this.nowMs = endMs;
    observe();
  }

  /** Fires timers in order for a duration. */
  async pass(ms: number): Promise<void> {
    await this.until(this.nowMs + ms);
  }

  /** Fires timers in order until the work settles. @throws Error if no timer is left, or the error of the work */
  async settle<T>(work: Promise<T>): Promise<T> {
    const state = { open: true };
    const end = () => void (state.open = false);
    work.then(end, end);
    await idle();
    while (state.open && (await this.fire(Number.MAX_VALUE)));
    if (state.open) throw new Error("the work is pending, but there is no timer");
    return work;
  }

  /** Fires the next timer up to a time. @returns false if there is none */
  private async fire(endMs: number, observe = () => {}): Promise<boolean> {
    const next = this.next();
    if (!next || next.atMs > endMs) return false;
    const resumeMs = this.pausedUntil(next.owner);
    if (resumeMs > next.atMs) {
      next.atMs = resumeMs;
      return true;
    }
    this.nowMs = Math.max(this.nowMs, next.atMs);
    observe();
    if (next.everyMs === undefined) this.timers.delete(next);
    else next.atMs = this.nowMs + next.everyMs;
    this.owners.run(next.owner, next.call);
    await idle();
    observe();
    return true;
  }

  private add({ ms, ...given }: Pick<Timer, "everyMs" | "call"> & { readonly ms: number }): Timer {
    const timer = { ...given, atMs: this.nowMs + ms, order: this.order++, owner: this.owner };
    this.timers.add(timer);
    return timer;
  }

  private next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers)
      if (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order))
        first = timer;
    return first;
  }
}
