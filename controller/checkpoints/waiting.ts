import type { Metrics, Objects } from "../../kube";
import type { CheckpointObject } from "./objects";
import { isWaiting } from "./state";

/** The value of the index under which all waiting Checkpoints are. */
const WAITING = "waiting";

/** Adds metrics of the Checkpoints that no engine has received yet: their number, and the age of the oldest in seconds. */
export function measureWaiting(objects: Pick<Objects<CheckpointObject>, "index">, metrics: Metrics): void {
  const waiting = objects.index((object) => (isWaiting(object) ? [WAITING] : []));
  metrics.gauge(
    "cedana_checkpoints_waiting",
    "Number of Checkpoints that wait for their start",
    [],
    (gauge) => gauge.set(waiting(WAITING).length),
  );
  metrics.gauge(
    "cedana_checkpoints_oldest_waiting_seconds",
    "Age of the oldest Checkpoint that waits for its start, in seconds; 0 if none waits",
    [],
    (gauge) => {
      const created = waiting(WAITING).map(({ metadata }) => metadata.creationTimestamp);
      gauge.set(oldestSeconds(created, Date.now()));
    },
  );
}

/** Returns the time since the earliest of the times, in seconds; 0 if there is none, or it is in the future. */
export function oldestSeconds(times: readonly (string | undefined)[], nowMs: number): number {
  let oldestMs = nowMs;
  for (const time of times) {
    const timeMs = Date.parse(time ?? "");
    if (timeMs < oldestMs) oldestMs = timeMs;
  }
  return (nowMs - oldestMs) / 1000;
}
