/** A checkpoint on this node whose push continues beyond its timeout, while its processes run. */
export interface KeptCopy {
  readonly name: string;
  readonly startMs: number;
  /** Ends the push, and the NodeCheckpoint with it. */
  giveUp(): void;
}

/** The checkpoints that the node keeps until the registry is back. They make room for newer ones. */
export class KeptCopies {
  private readonly copies = new Map<string, KeptCopy>();

  add(copy: KeptCopy): void {
    this.copies.set(copy.name, copy);
  }

  remove(name: string): void {
    this.copies.delete(name);
  }

  /** Gives the oldest one up. @returns its name, by which the service knows it; undefined if there is none */
  giveUpOldest(): string | undefined {
    const [oldest] = [...this.copies.values()].toSorted((a, b) => a.startMs - b.startMs);
    if (oldest === undefined) return undefined;
    this.remove(oldest.name);
    oldest.giveUp();
    return oldest.name;
  }
}
