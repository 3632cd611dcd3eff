/** Computes the times of a cron pattern in a time zone. */
import { Cron } from "croner";
import { WallClock } from "./wall-clock";

/** The times of a pattern in cron's five fields. */
export class CronSchedule {
  private readonly cron: Cron;
  private readonly clock?: WallClock;

  /** @throws Error if the pattern or the time zone is invalid */
  constructor(pattern: string, timezone: string) {
    const [, hour] = pattern.trim().split(/\s+/);
    // An hourly schedule counts elapsed hours. Other schedules name times that clocks show.
    const isHourly = hour === "*" || hour === "*/1";
    const clock = isHourly || timezone === "UTC" ? undefined : new WallClock(timezone);
    if (clock) this.clock = clock;
    this.cron = new Cron(pattern, { timezone: clock ? "UTC" : timezone, mode: "5-part", paused: true });
    // croner reports an unknown time zone only when it computes a date.
    this.cron.nextRun(new Date(0));
  }

  /**
   * Returns the first time after another one. If a change of the clocks skips a time, the result is the time of the change. For a time
   * that occurs twice, it is the first one.
   * @returns undefined if there is none
   */
  after(afterMs: number): number | undefined {
    const { clock, cron } = this;
    const next = (timeMs: number) => cron.nextRun(new Date(timeMs))?.getTime();
    if (!clock) return next(afterMs);
    // In an hour that occurs twice, the times were due in its first occurrence.
    for (let wallMs = next(clock.at(afterMs)); wallMs !== undefined; wallMs = next(wallMs)) {
      const timeMs = clock.firstAt(wallMs);
      if (timeMs > afterMs) return timeMs;
    }
    return undefined;
  }
}
