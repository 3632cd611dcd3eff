/**
 * Random numbers of all tiers. Seeds are fixed, so that a test has the same result each time; with SOAK=1 there are more
 * runs, from a random seed, which is printed. SEED sets the first seed by hand.
 */
/** Whether the run is one of the soak tier. */
export const SOAK = process.env["SOAK"] === "1";

/** First seed of a run. */
export const SEED = firstSeed();

function firstSeed(): number {
  const given = process.env["SEED"];
  if (given !== undefined) return Number(given);
  if (!SOAK) return 4;
  const seed = Math.floor(Math.random() * 2 ** 31);
  process.stdout.write(`random seed; repeat with SEED=${seed}\n`);
  return seed;
}

/** Returns a source of numbers in [0, 1), the same ones for the same seed (mulberry32, public domain). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Returns a source of whole numbers, each below the one given. */
export function seededBelow(seed: number): (below: number) => number {
  const next = seeded(seed);
  return (below) => Math.floor(next() * below);
}

/** A source of random choices. */
export class Random {
  /** Returns a number in [0, 1). */
  readonly next: () => number;

  constructor(readonly seed: number) {
    this.next = seeded(seed);
  }

  /** Returns a number in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws Error for an empty list. */
  pick<T>(of: readonly T[]): T {
    const picked = of[Math.floor(this.next() * of.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }
}
