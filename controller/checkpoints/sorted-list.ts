/** Items in order. Adding, removing and finding one costs a binary search. */
export class SortedList<T> implements Iterable<T> {
  private readonly items: T[] = [];

  /** @param compare must distinguish all items */
  constructor(private readonly compare: (a: T, b: T) => number) {}

  get size(): number {
    return this.items.length;
  }

  get first(): T | undefined {
    return this.items[0];
  }

  [Symbol.iterator](): Iterator<T> {
    return this.items.values();
  }

  /** Adds an item, or replaces an equal one. */
  add(item: T): void {
    const index = this.indexOf(item);
    const known = this.items[index];
    const equal = known !== undefined && this.compare(known, item) === 0;
    this.items.splice(index, equal ? 1 : 0, item);
  }

  /** Removes an equal item, if there is one. */
  delete(item: T): void {
    const index = this.indexOf(item);
    const known = this.items[index];
    if (known !== undefined && this.compare(known, item) === 0) this.items.splice(index, 1);
  }

  /** Returns the index of the first item that is not before the given one. */
  private indexOf(item: T): number {
    let [low, high] = [0, this.items.length];
    const last = this.items[high - 1];
    // Most items are added at the end.
    if (last !== undefined && this.compare(last, item) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(this.items[middle] as T, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
