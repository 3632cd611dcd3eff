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

  /** Executes divided work. Other events are handled between its steps. */
  async do<T>(work: Steps<T>): Promise<T> {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      await this.next();
    }
  }
}

/** Work that is divided: a generator that yields after each step. */
export type Steps<T> = Generator<void, T, void>;

/** Number of items of one step. */
const ITEMS = 500;

/** Executes divided work without pauses. */
export function atOnce<T>(work: Steps<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Calls a function for each item. */
export function* each<T>(items: Iterable<T>, call: (item: T) => void): Steps<void> {
  let count = 0;
  for (const item of items) {
    call(item);
    if (++count % ITEMS === 0) yield;
  }
}

/** Returns what a function returns for each item. */
export function* mapped<T, R>(items: Iterable<T>, call: (item: T) => R): Steps<readonly R[]> {
  const results: R[] = [];
  yield* each(items, (item) => void results.push(call(item)));
  return results;
}

/** Returns the items in order, as `toSorted`: equal ones keep their order. */
export function* sorted<T>(items: readonly T[], compare: (a: T, b: T) => number): Steps<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let start = 0; start < items.length; start += ITEMS) {
    if (start > 0) yield;
    runs.push(items.slice(start, start + ITEMS).toSorted(compare));
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2)
      longer.push(yield* merged(runs[at] ?? [], runs[at + 1] ?? [], compare));
    runs = longer;
  }
  return runs[0] ?? [];
}

function* merged<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Steps<readonly T[]> {
  if (b.length === 0) return a;
  const all: T[] = [];
  let [left, right] = [0, 0];
  while (left < a.length || right < b.length) {
    const first = right === b.length || (left < a.length && compare(a[left] as T, b[right] as T) <= 0);
    all.push((first ? a[left++] : b[right++]) as T);
    if (all.length % ITEMS === 0) yield;
  }
  return all;
}
