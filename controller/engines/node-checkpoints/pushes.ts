import type { Change, Metrics, Objects } from "../../../kube";
import type { NodeCheckpointObject } from "./client";

/** The value of the index under which all NodeCheckpoints are whose push failed and is retried. */
const RETRYING = "retrying";

/**
 * Adds metrics of the pushes that agents report in the status of NodeCheckpoints. Each replica counts the failures that it
 * observes.
 */
export function measurePushes(
  objects: Pick<Objects<NodeCheckpointObject>, "index" | "onChange">,
  metrics: Metrics,
): void {
  const failures = metrics.counter(
    "cedana_push_failures_total",
    "Number of failed attempts of agents to push a checkpoint",
  );
  objects.onChange((change) => failures.inc(newFailures(change)));
  const retrying = objects.index((object) => (isRetrying(object) ? [RETRYING] : []));
  metrics.gauge(
    "cedana_pushes_retrying",
    "Number of checkpoints on nodes whose push failed and is retried",
    [],
    (gauge) => gauge.set(retrying(RETRYING).length),
  );
  metrics.gauge(
    "cedana_pushes_overdue",
    "Number of checkpoints that nodes keep beyond the timeout because their push fails",
    [],
    (gauge) => gauge.set(retrying(RETRYING).filter((object) => isOverdue(object, Date.now())).length),
  );
}

/** Returns the failures that a change adds. A restarted agent counts from 0 again. */
function newFailures({ old, new: now }: Change<NodeCheckpointObject>): number {
  const [before, after] = [old, now].map((object) => object?.status.pushFailures ?? 0) as [number, number];
  return after < before ? after : after - before;
}

function isOverdue({ spec, status }: NodeCheckpointObject, now: number): boolean {
  return now >= Date.parse(status.startTime ?? "") + spec.timeoutSeconds * 1000;
}

function isRetrying({ status: { conditions = [], pushFailures = 0 } }: NodeCheckpointObject): boolean {
  const pushes = conditions.some(
    ({ type, status, reason }) => type === "Progressing" && status === "True" && reason === "Pushing",
  );
  return pushFailures > 0 && pushes;
}
