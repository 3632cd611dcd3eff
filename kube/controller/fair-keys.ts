interface Group {
  readonly keys: Set<string>;
  /** Continues after the last key that was taken. From the start of the set, it would skip all keys taken before. */
  cursor: Iterator<string, undefined>;
}

/**
 * Keys in the order in which they were added, where namespaces take turns: many keys of one do not delay those of another. Keys
 * without a namespace are one group. Each operation takes constant time.
 */
export class FairKeys {
  /** By namespace, in the order of their turns. */
  private readonly groups = new Map<string, Group>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(key: string): void {
    const namespace = namespaceOf(key);
    let group = this.groups.get(namespace);
    if (group === undefined) {
      const keys = new Set<string>();
      group = { keys, cursor: keys.values() };
      this.groups.set(namespace, group);
    }
    if (group.keys.has(key)) return;
    group.keys.add(key);
    this.count++;
  }

  /** Removes and returns the next key. */
  shift(): string | undefined {
    const [entry] = this.groups;
    if (entry === undefined) return undefined;
    const [namespace, group] = entry;
    let next = group.cursor.next();
    if (next.done) {
      group.cursor = group.keys.values();
      next = group.cursor.next();
    }
    this.groups.delete(namespace);
    // A group is never empty.
    if (next.done) return undefined;
    group.keys.delete(next.value);
    this.count--;
    if (group.keys.size > 0) this.groups.set(namespace, group);
    return next.value;
  }
}

/** Returns the part before the slash of `namespace/name`; nothing for other keys. */
export function namespaceOf(key: string): string {
  const end = key.indexOf("/");
  return end < 0 ? "" : key.slice(0, end);
}
