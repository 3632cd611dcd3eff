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
    (gauge) => gauge.set(oldestSeconds(waiting(WAITING), Date.now())),
  );
}

function oldestSeconds(objects: readonly CheckpointObject[], now: number): number {
  let oldestMs = now;
  for (const { metadata } of objects) {
    const createdMs = Date.parse(metadata.creationTimestamp);
    if (createdMs < oldestMs) oldestMs = createdMs;
  }
  return (now - oldestMs) / 1000;
}
