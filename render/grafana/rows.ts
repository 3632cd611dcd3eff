/** The panels of the dashboard, by function. docs/controller/operations.md explains each metric. */
import type { Row } from "./panel";
import { POLICIES, RETENTION } from "./policies";
import { increases, measured, of, quantiles, rates } from "./queries";

const sumOf = (expression: string, legend = "all") => [{ expr: `sum(${expression})`, legend }];
const lastHour = (metric: string, matchers?: string) =>
  // Without any series the number is 0, not missing.
  sumOf(`increase(${of(metric, matchers)}[1h])`).map((query) => ({
    ...query,
    expr: `${query.expr} or vector(0)`,
  }));

const OVERVIEW: Row = {
  title: "Overview",
  panels: [
    {
      type: "stat",
      title: "Replicas that lead",
      description: "1 is healthy. With 0, nodes stay gated, and Checkpoints and restores wait.",
      redBelow: 1,
      redFrom: 2,
      queries: sumOf(of("leader_election_master_status")),
    },
    {
      type: "stat",
      title: "Nodes that wait",
      description:
        "Nodes with the startup taint: their agents are not Ready yet. cedana-cdk explain node NAME",
      queries: [{ expr: `max(${of("cedana_readiness_nodes", 'state="waiting"')})`, legend: "waiting" }],
    },
    {
      type: "stat",
      title: "Checkpoints that failed, last hour",
      description: "Also those whose outcome is unknown. The row Checkpoints has the reasons.",
      redFrom: 1,
      queries: lastHour("cedana_checkpoints_total", 'result!="completed"'),
    },
    {
      type: "stat",
      title: "Restores that failed, last hour",
      description:
        "Restores that fell back, stopped, were lost, or have an unknown outcome. The row Restores has the reasons.",
      redFrom: 1,
      queries: lastHour("cedana_restores_total", 'result=~"fellBack|stopped|lost|unknown"'),
    },
    {
      type: "stat",
      title: "Due by policies and not done, last hour",
      description:
        "Pods that were due and missed the deadline, or are in backoff because their last Checkpoints failed. cedana-cdk explain policy NAME",
      redFrom: 1,
      queries: lastHour("cedana_policy_actions_total", 'outcome=~"missed|backoff"'),
    },
    {
      type: "stat",
      title: "Lists and watches that are denied",
      description: "A namespace, a permission or a kind is missing: the controller's log names it.",
      redFrom: 1,
      queries: [{ expr: `sum(max by (reflector) (${of("cedana_reflector_denied")}))`, legend: "denied" }],
    },
  ],
};

const GATE: Row = {
  title: "Readiness gate and nodes",
  panels: [
    {
      title: "Nodes by state",
      description:
        "lost: an agent is no longer Ready. outdated: its configuration is an earlier one. failedOpen: the gate gave up.",
      queries: [measured("cedana_readiness_nodes", ["state"])],
    },
    {
      title: "Longest wait of a node",
      description: "For the removal of the startup taint. 0: no node waits.",
      unit: "s",
      queries: [measured("cedana_readiness_oldest_waiting_seconds", [], "oldest")],
    },
    {
      title: "From all agents Ready to the taint removed",
      description: "Duration of the controller's own part of a node's start.",
      unit: "s",
      queries: quantiles("cedana_readiness_seconds"),
    },
    {
      title: "Writes of the taint",
      description: "By operation and result.",
      queries: [increases("cedana_readiness_taint_operations_total", ["operation", "result"])],
    },
    {
      title: "Disruption limit",
      description: "1 while many nodes lost an agent at once, so that no more nodes are tainted.",
      unit: "bool_yes_no",
      queries: [measured("cedana_readiness_disruption_limit_reached", [], "reached")],
    },
    {
      title: "Checks of nodes that are not ok",
      description:
        "Nodes whose health check reports a warning or a failure. space: the disk of the checkpoints. registry: the registry.",
      queries: [measured("cedana_node_checks", ["check", "status"])],
    },
  ],
};

const CHECKPOINTS: Row = {
  title: "Checkpoints",
  panels: [
    {
      title: "Finished Checkpoints",
      description: "By engine and result.",
      queries: [increases("cedana_checkpoints_total", ["engine", "result"])],
    },
    {
      title: "Checkpoints that failed, by reason",
      description: "The log has pod, node and message of each: lines checkpoint ended.",
      queries: [increases("cedana_checkpoints_total", ["reason"], 'result!="completed"')],
    },
    {
      title: "Duration of completed Checkpoints",
      description: "From the request to the engine to its end, by engine.",
      unit: "s",
      queries: quantiles("cedana_checkpoint_seconds", ["engine"]),
    },
    {
      title: "Checkpoints that wait and are in flight",
      description: "Waiting: no engine has received them yet. In flight: checkpoints and restores.",
      queries: [
        measured("cedana_checkpoints_waiting", [], "waiting"),
        measured("cedana_checkpoints_in_flight", [], "in flight"),
      ],
    },
    {
      title: "Longest wait of a Checkpoint",
      description: "The message of its conditions has the cause: kubectl get ckpt -A",
      unit: "s",
      queries: [measured("cedana_checkpoints_oldest_waiting_seconds", [], "oldest")],
    },
    {
      title: "Pushes to the registry",
      description:
        "Checkpoints on nodes whose push failed and is retried, those of them that are kept beyond the timeout, and failed attempts.",
      queries: [
        measured("cedana_pushes_retrying", [], "retrying"),
        measured("cedana_pushes_overdue", [], "overdue"),
        // Each replica counts what it observes.
        {
          expr: `max(increase(${of("cedana_push_failures_total")}[$__rate_interval]))`,
          legend: "failed attempts",
        },
      ],
    },
  ],
};

const RESTORES: Row = {
  title: "Restores",
  panels: [
    {
      title: "Finished restores",
      description:
        "fellBack: the pod started without the Checkpoint. skipped: nothing was restored, as decided.",
      queries: [increases("cedana_restores_total", ["result"])],
    },
    {
      title: "Restores that failed, by reason",
      description: "The log has user, pod, node, Checkpoint and message of each: lines restore ended.",
      queries: [increases("cedana_restores_total", ["result", "reason"], 'result!~"restored|skipped"')],
    },
    {
      title: "Responses of the webhook",
      description: "By result. error: it could not decide, and the API server applied the failurePolicy.",
      queries: [increases("cedana_restore_admissions_total", ["result"])],
    },
    {
      title: "Pods that the webhook does not restore, by reason",
      description: "docs/controller/operations.md explains each reason.",
      queries: [increases("cedana_restore_admissions_total", ["reason"], 'result!="restore"')],
    },
    {
      title: "Response time of the webhook",
      description: "The API server waits for it when a pod is created.",
      unit: "s",
      queries: quantiles("cedana_restore_admission_seconds"),
    },
    {
      title: "Pods admitted without the webhook",
      description:
        "It did not respond to the API server. Only if Prometheus reads the metrics of the API server.",
      queries: [
        {
          expr: 'sum(increase(apiserver_admission_webhook_fail_open_count{name="restore.cedana.ai"}[$__rate_interval]))',
          legend: "not reached",
        },
      ],
    },
    {
      title: "Requests that the webhook refused",
      description:
        "By the limit that a connection or request exceeded, and restarts of the webhook's process.",
      queries: [
        increases("cedana_webhook_refused_total", ["reason"]),
        { ...increases("cedana_webhook_restarts_total", []), legend: "restarts" },
      ],
    },
    {
      title: "Validity of the webhook's certificate",
      description:
        "Remaining time by replica; negative or very large without a certificate. It is renewed 30 days before its end. The other series is the time until it begins to be valid, 0 if it is.",
      unit: "s",
      queries: [
        {
          expr: `min by (pod) (${of("cedana_webhook_certificate_not_after_timestamp_seconds")}) - time()`,
          legend: "{{pod}}",
        },
        {
          expr: `clamp_min(max by (pod) (${of("cedana_webhook_certificate_not_before_timestamp_seconds")}) - time(), 0)`,
          legend: "{{pod}} begins in",
        },
      ],
    },
  ],
};

const CONTROLLER: Row = {
  title: "Controller",
  panels: [
    {
      title: "Reconciles",
      description: "By controller and result.",
      unit: "ops",
      queries: [rates("controller_runtime_reconcile_total", ["controller", "result"])],
    },
    {
      title: "Errors of reconciles",
      description: "The log has each.",
      unit: "ops",
      queries: [rates("controller_runtime_reconcile_errors_total", ["controller"])],
    },
    {
      title: "Duration of reconciles",
      description: "By controller.",
      unit: "s",
      queries: quantiles("controller_runtime_reconcile_time_seconds", ["controller"]),
    },
    {
      title: "Keys in queues",
      description: "Keys that wait. A queue that grows has too few workers, or the API server is slow.",
      queries: [measured("workqueue_depth", ["name"])],
    },
    {
      title: "Time in queues",
      description: "From when a key is added to its reconcile.",
      unit: "s",
      queries: quantiles("workqueue_queue_duration_seconds", ["name"]),
    },
    {
      title: "Busy workers",
      description: "Part of the workers of each controller that reconcile.",
      unit: "percentunit",
      queries: [
        {
          expr: `sum by (controller) (${of("controller_runtime_active_workers")}) / max by (controller) (${of("controller_runtime_max_concurrent_reconciles")})`,
          legend: "{{controller}}",
        },
      ],
    },
    {
      title: "Requests to the API server",
      description: "By method and code. <error>: there was no response.",
      unit: "reqps",
      queries: [rates("rest_client_requests_total", ["method", "code"])],
    },
    {
      title: "Failed lists and watches",
      description: "By kind.",
      unit: "ops",
      queries: [rates("cedana_reflector_failures_total", ["reflector"])],
    },
    {
      title: "Time since the last contact",
      description:
        "Age of the last data of each list and watch, the oldest of the replicas. More than three minutes are a failure.",
      unit: "s",
      queries: [
        {
          expr: `time() - min by (reflector) (${of("cedana_reflector_last_contact_timestamp_seconds")})`,
          legend: "{{reflector}}",
        },
      ],
    },
    {
      title: "Events that were not written",
      description: "By cause.",
      queries: [increases("cedana_events_dropped_total", ["cause"])],
    },
    {
      title: "CPU",
      description: "Cores that each replica uses, without the process of the webhook.",
      queries: [
        {
          expr: `sum by (pod) (rate(${of("process_cpu_seconds_total")}[$__rate_interval]))`,
          legend: "{{pod}}",
        },
      ],
    },
    {
      title: "Memory",
      description: "Resident memory of each replica, without the process of the webhook.",
      unit: "bytes",
      queries: [measured("process_resident_memory_bytes", ["pod"])],
    },
    {
      title: "Delay of the event loop",
      description: "Longest delay of each replica since the last scrape.",
      unit: "s",
      queries: [measured("nodejs_eventloop_lag_max_seconds", ["pod"])],
    },
  ],
};

export const ROWS: readonly Row[] = [OVERVIEW, GATE, CHECKPOINTS, RESTORES, POLICIES, RETENTION, CONTROLLER];
