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
/** Resolves when all that follows from promises is done. */
const idle = () => new Promise<void>((resolve) => realImmediate(resolve));

/**
 * Timers and clocks of a test: they advance only as the test says. Much faster than jest's, and timers have owners: those of
 * one owner can be held up while others fire, as in a process that is paused. `new Date()` is still real.
 */
export class VirtualTime {
  nowMs = 0;
  /** Returns the earliest time at which a timer of this owner may fire; for a paused process the end of its pause. */
  heldUntil: (owner: unknown) => number = () => 0;
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

  /** Runs as an owner: all timers that it sets are its own. */
  as<T>(owner: unknown, run: () => T): T {
    return this.owners.run(owner, run);
  }

  /** Owner of the code that runs. */
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

  /** Fires timers in order until then. `look` is called just before each and after its effects. */
  async until(endMs: number, look = () => {}): Promise<void> {
    await idle();
    while (await this.fire(endMs, look));
    this.nowMs = endMs;
    look();
  }

  /** Fires timers in order for so long. */
  async pass(ms: number): Promise<void> {
    await this.until(this.nowMs + ms);
  }

  /** Fires timers in order until the work settles. @throws Error if no timer is left, and what the work throws */
  async settle<T>(work: Promise<T>): Promise<T> {
    const state = { open: true };
    const end = () => void (state.open = false);
    work.then(end, end);
    await idle();
    while (state.open && (await this.fire(Number.MAX_VALUE)));
    if (state.open) throw new Error("the work waits, but for no timer");
    return work;
  }

  /** Fires the next timer up to then. @returns false if there is none */
  private async fire(endMs: number, look = () => {}): Promise<boolean> {
    const next = this.next();
    if (!next || next.atMs > endMs) return false;
    const heldMs = this.heldUntil(next.owner);
    if (heldMs > next.atMs) {
      next.atMs = heldMs;
      return true;
    }
    this.nowMs = Math.max(this.nowMs, next.atMs);
    look();
    if (next.everyMs === undefined) this.timers.delete(next);
    else next.atMs = this.nowMs + next.everyMs;
    this.owners.run(next.owner, next.call);
    await idle();
    look();
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
