/** Conversion between instants and the time that the clocks of a time zone show. */

/** Upper bound of a change of the clocks and of the offset of a time zone from UTC: 48 hours. */
const REACH_MS = 172_800_000;

/**
 * Converts between instants and the time that the clocks of a time zone show. The shown time is in ms, as if it were UTC.
 */
export class WallClock {
  private readonly format: Intl.DateTimeFormat;

  /** @throws Error if the time zone does not exist */
  constructor(timeZone: string) {
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** Returns what the clocks show at a time. */
  at(timeMs: number): number {
    const parts = Object.fromEntries(
      this.format.formatToParts(timeMs).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    const fraction = ((timeMs % 1000) + 1000) % 1000;
    return Date.UTC(year, month - 1, day, hour, minute, second) + fraction;
  }

  /** Returns when the clocks first show a time; if a change of the clocks skips it, the time of the change. */
  firstAt(wallMs: number): number {
    const before = this.offsetAt(wallMs - REACH_MS);
    const after = this.offsetAt(wallMs + REACH_MS);
    for (const offset of [before, after])
      if (this.offsetAt(wallMs - offset) === offset) return wallMs - offset;
    let [low, high] = [wallMs - after, wallMs - before];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  private offsetAt(timeMs: number): number {
    return this.at(timeMs) - timeMs;
  }
}
