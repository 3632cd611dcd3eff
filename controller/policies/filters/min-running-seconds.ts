import type { Filter } from "../core/types";

/** Pods whose containers all run for this time. */
export const minRunningSeconds: Filter<number> = {
  timed: true,
  matches: (seconds, { runningSinceMs }, { nowMs }) =>
    runningSinceMs !== undefined && nowMs - runningSinceMs >= seconds * 1000,
};
