import type { Metrics } from "../../kube";
import { NODE_STATES, type Census } from "./census";

/** Result of a write of the taint. `conflict`: somebody else was faster; it is tried again. */
export type OperationResult = "success" | "conflict" | "gone" | "error" | "dryRun";

/** Upper bounds in seconds. The kubelet stamps readiness to the second, so nothing below one is told apart. */
const SECONDS = [1, 2, 3, 5, 10, 20, 30, 60, 120, 300];

/** The gate's own metrics. */
export class GateMetrics {
  private readonly operations;
  private readonly seconds;

  /** @param isHeld whether the brake holds a taint back */
  constructor(metrics: Metrics, census: Census, isHeld: () => boolean) {
    metrics.gauge("cedana_readiness_nodes", "Nodes by state", ["state"], (gauge) => {
      for (const state of NODE_STATES) gauge.set({ state }, census.of(state));
    });
    metrics.gauge("cedana_readiness_brake", "1 while too many nodes are unready to taint more", [], (gauge) =>
      gauge.set(isHeld() ? 1 : 0),
    );
    this.operations = metrics.counter(
      "cedana_readiness_taint_operations_total",
      "Writes of the taint by result",
      ["operation", "result"],
    );
    this.seconds = metrics.histogram(
      "cedana_readiness_seconds",
      "From all agents Ready on a node to its taint gone",
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
