import { CHECK_PROBLEMS, CHECKS } from "../../config/programs/agent";
import type { Metrics, Objects } from "../../kube";
import type { AgentPod } from "./rules";

/**
 * Adds the metric of the nodes whose health check reports a check that is not ok, such as a full disk or a registry that does
 * not respond. Agents listen on no port: the health check reports in the status of its pod.
 */
export function measureChecks(pods: Pick<Objects<AgentPod>, "list">, metrics: Metrics): void {
  metrics.gauge(
    "cedana_node_checks",
    "Number of nodes by check that is not ok, and its result",
    ["check", "status"],
    (gauge) => {
      for (const check of CHECKS) for (const status of CHECK_PROBLEMS) gauge.set({ check, status }, 0);
      for (const { checks = [], deleting } of pods.list())
        if (!deleting) for (const problem of checks) gauge.inc({ ...problem });
    },
  );
}
