import type { Metrics } from "../../kube";
import { NODE_STATES, type DisruptionLimit, type NodeStats } from "./disruption-limit";

/** Result of a write of the taint. `conflict`: another client wrote the node first, and the write is retried. */
export type OperationResult = "success" | "conflict" | "gone" | "error" | "dryRun";

/** Upper bounds in seconds. The kubelet stamps readiness to the second, so shorter times cannot be measured. */
const SECONDS = [1, 2, 3, 5, 10, 20, 30, 60, 120, 300];

/** The gate's own metrics. */
export class GateMetrics {
  private readonly operations;
  private readonly seconds;

  constructor(metrics: Metrics, stats: NodeStats, limit: Pick<DisruptionLimit, "isReached">) {
    metrics.gauge("cedana_readiness_nodes", "Nodes by state", ["state"], (gauge) => {
      for (const state of NODE_STATES) gauge.set({ state }, stats.of(state));
    });
    metrics.gauge(
      "cedana_readiness_disruption_limit_reached",
      "1 while the disruption limit prevents taints",
      [],
      (gauge) => gauge.set(limit.isReached ? 1 : 0),
    );
    this.operations = metrics.counter(
      "cedana_readiness_taint_operations_total",
      "Writes of the taint by result",
      ["operation", "result"],
    );
    this.seconds = metrics.histogram(
      "cedana_readiness_seconds",
      "Time from all agents Ready on a node to the removal of its taint",
      [],
      SECONDS,
    );
  }

  operation(operation: "add" | "remove", result: OperationResult): void {
    this.operations.inc({ operation, result });
  }

  opened(seconds: number): void {
    this.seconds.observe(Math.max(0, seconds));
  }
}
