import type { HeartbeatTrigger } from "../../../api";
import { fractionOf } from "../core/hash";
import type { Trigger } from "../core/types";
import { CronSchedule } from "./cron";

/** Jitter of cron schedules, if the policy sets none. */
const CRON_JITTER_SECONDS = 60;

/** Gaps between ticks that are kept: pods with a delay still wait for the last tick while others are done with it. */
const KNOWN_GAPS = 4;

/** Ticks of a cron schedule. Finding one takes 0.2 ms (croner 11 on Node 22), so the last ones are kept for all pods. */
class CronTicks {
  private readonly schedule: CronSchedule;
  private known: readonly { readonly fromMs: number; readonly nextMs: number | undefined }[] = [];

  /** @throws Error if the pattern or the time zone is invalid */
  constructor(pattern: string, timeZone: string) {
    this.schedule = new CronSchedule(pattern, timeZone);
  }

  /** Returns the first tick after a time; undefined if there is none. */
  after(afterMs: number): number | undefined {
    for (const { fromMs, nextMs } of this.known)
      if (fromMs <= afterMs && (nextMs === undefined || afterMs < nextMs)) return nextMs;
    const nextMs = this.schedule.after(afterMs);
    const others = this.known.filter((gap) => gap.nextMs !== nextMs);
    this.known = [{ fromMs: afterMs, nextMs }, ...others].slice(0, KNOWN_GAPS);
    return nextMs;
  }
}

/** Schedules of valid policies, by time zone and pattern. As many as there are policies. */
const schedules = new Map<string, CronTicks>();
const MAX_SCHEDULES = 10_000;

function ticksOf({ cron = "", timeZone = "UTC" }: HeartbeatTrigger): CronTicks {
  const key = `${timeZone} ${cron}`;
  const known = schedules.get(key);
  if (known) return known;
  const ticks = new CronTicks(cron, timeZone);
  if (schedules.size >= MAX_SCHEDULES) schedules.clear();
  schedules.set(key, ticks);
  return ticks;
}

/** Returns the time over which the pods are spread, in seconds. */
export function jitterOf({ intervalSeconds, jitterSeconds }: HeartbeatTrigger): number {
  return jitterSeconds ?? intervalSeconds ?? CRON_JITTER_SECONDS;
}

/** Periodic: by an interval that is aligned to the clock, or by cron. Each pod has a fixed delay within the jitter. */
export const heartbeat: Trigger<HeartbeatTrigger> = {
  problem(settings) {
    if (settings.cron === undefined) return undefined;
    try {
      const ticks = ticksOf(settings);
      return ticks.after(Date.parse("2026-01-01T00:00:00Z")) === undefined
        ? `cron ${settings.cron} never occurs`
        : undefined;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      return `cron ${settings.cron} in the time zone ${settings.timeZone ?? "UTC"} is invalid: ${cause}`;
    }
  },

  next: (settings, { policyUID, pod, spreadBy = pod.uid }, afterMs) =>
    nextOf(settings, `${policyUID}/${spreadBy}`, afterMs),
  nextOfPolicy: nextOf,

  // Of several missed ticks, one is made up.
  done: (dueMs, nowMs) => Math.max(dueMs, nowMs),
};

/** @param subject has a fixed delay within the jitter */
function nextOf(settings: HeartbeatTrigger, subject: string, afterMs: number): number | undefined {
  const { intervalSeconds } = settings;
  const delayMs = Math.floor(fractionOf(subject) * jitterOf(settings) * 1000);
  if (intervalSeconds === undefined) {
    const tickMs = ticksOf(settings).after(afterMs - delayMs);
    return tickMs === undefined ? undefined : tickMs + delayMs;
  }
  const intervalMs = intervalSeconds * 1000;
  return (Math.floor((afterMs - delayMs) / intervalMs) + 1) * intervalMs + delayMs;
}
