import type { Metrics } from "../metrics";
import { REFUSALS, type Refusal } from "./limits";

/** Adds the counters of a webhook. @returns the callbacks of its server that count */
export function webhookCounters(metrics: Metrics) {
  const refused = metrics.counter(
    "cedana_webhook_refused_total",
    "Number of connections and requests that the webhook refused by a limit",
    ["reason"],
    // Reviews have no rate.
    REFUSALS.filter((reason) => reason !== "requests").map((reason) => ({ reason })),
  );
  const restarts = metrics.counter(
    "cedana_webhook_restarts_total",
    "Number of times that the process of the webhook ended and was started again",
    [],
    [{}],
  );
  return {
    onRefused: (reason: Refusal, count: number) => {
      if (count > 0) refused.inc({ reason }, count);
    },
    onRestart: () => restarts.inc(),
  };
}
