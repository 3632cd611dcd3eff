/** A binary heap of keys by time. Setting, deleting and finding the first take O(log n), O(log n) and O(1). */
export class DueHeap {
  private readonly keys: string[] = [];
  private readonly times: number[] = [];
  private readonly positions = new Map<string, number>();

  get size(): number {
    return this.keys.length;
  }

  /** Returns the first time; undefined if it is empty. */
  get firstMs(): number | undefined {
    return this.times[0];
  }

  /** Returns the key with the first time. */
  get first(): string | undefined {
    return this.keys[0];
  }

  /** Returns the first key whose time has come; undefined if there is none. */
  firstDue(nowMs: number): string | undefined {
    return (this.times[0] ?? Number.POSITIVE_INFINITY) <= nowMs ? this.keys[0] : undefined;
  }

  timeOf(key: string): number | undefined {
    const position = this.positions.get(key);
    return position === undefined ? undefined : this.times[position];
  }

  /** Sets the time of a key. Undefined removes it. */
  set(key: string, timeMs: number | undefined): void {
    if (timeMs === undefined) return this.delete(key);
    const position = this.positions.get(key);
    if (position === undefined) {
      this.keys.push(key);
      this.times.push(timeMs);
      this.positions.set(key, this.keys.length - 1);
      this.up(this.keys.length - 1);
      return;
    }
    this.times[position] = timeMs;
    this.up(position);
    this.down(this.positions.get(key) ?? 0);
  }

  delete(key: string): void {
    const position = this.positions.get(key);
    if (position === undefined) return;
    const last = this.keys.length - 1;
    this.swap(position, last);
    this.keys.pop();
    this.times.pop();
    this.positions.delete(key);
    if (position === last) return;
    this.up(position);
    this.down(position);
  }

  private up(from: number): void {
    for (let child = from; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.isBefore(child, parent)) return;
      this.swap(child, parent);
      child = parent;
    }
  }

  private down(from: number): void {
    for (let parent = from; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      let first = parent;
      if (left < this.keys.length && this.isBefore(left, first)) first = left;
      if (right < this.keys.length && this.isBefore(right, first)) first = right;
      if (first === parent) return;
      this.swap(parent, first);
      parent = first;
    }
  }

  private isBefore(a: number, b: number): boolean {
    return (this.times[a] ?? 0) < (this.times[b] ?? 0);
  }

  private swap(a: number, b: number): void {
    const [keyA = "", keyB = ""] = [this.keys[a], this.keys[b]];
    const [timeA = 0, timeB = 0] = [this.times[a], this.times[b]];
    [this.keys[a], this.keys[b]] = [keyB, keyA];
    [this.times[a], this.times[b]] = [timeB, timeA];
    this.positions.set(keyA, b);
    this.positions.set(keyB, a);
  }
}
