import { Metrics } from "../../../kube";

test("lists the metrics of controller-runtime before any event", async () => {
  const metrics = new Metrics();
  metrics.collectProcess();
  metrics.queue("readiness", { depth: () => 3, workingSeconds: () => [1, 4] });
  metrics.controller("readiness", 16);
  metrics.reflector("nodes");
  const text = await metrics.registry.metrics();
  const labels = 'name="readiness",controller="readiness"';
  for (const line of [
    `workqueue_depth{${labels}} 3`,
    `workqueue_unfinished_work_seconds{${labels}} 5`,
    `workqueue_longest_running_processor_seconds{${labels}} 4`,
    'controller_runtime_max_concurrent_reconciles{controller="readiness"} 16',
    'controller_runtime_active_workers{controller="readiness"} 0',
    'controller_runtime_reconcile_total{controller="readiness",result="error"} 0',
    'controller_runtime_reconcile_errors_total{controller="readiness"} 0',
    `workqueue_adds_total{${labels}} 0`,
    `workqueue_retries_total{${labels}} 0`,
    'cedana_reflector_lists_total{reflector="nodes"} 0',
    'cedana_reflector_watches_total{reflector="nodes"} 0',
    'cedana_reflector_failures_total{reflector="nodes"} 0',
  ])
    expect(text).toContain(`${line}\n`);
  for (const name of [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "nodejs_eventloop_lag_seconds",
  ])
    expect(text).toContain(`# TYPE ${name} `);
});

test("counts queues, workers, reflectors and requests", async () => {
  const metrics = new Metrics();
  const queue = metrics.queue("q", { depth: () => 0, workingSeconds: () => [] });
  queue.added();
  queue.retried();
  queue.waited(0.2);
  queue.worked(2);
  const controller = metrics.controller("q", 1);
  controller.started();
  controller.ended("error", 0.3);
  const reflector = metrics.reflector("nodes");
  reflector.listed(7);
  reflector.watched();
  reflector.failed();
  reflector.contact();
  metrics.request({ code: "409", method: "PATCH", host: "10.0.0.1:443" });
  const text = await metrics.registry.metrics();
  for (const line of [
    'workqueue_adds_total{name="q",controller="q"} 1',
    'workqueue_retries_total{name="q",controller="q"} 1',
    'workqueue_queue_duration_seconds_count{name="q",controller="q"} 1',
    'workqueue_work_duration_seconds_sum{name="q",controller="q"} 2',
    'workqueue_longest_running_processor_seconds{name="q",controller="q"} 0',
    'controller_runtime_reconcile_total{controller="q",result="error"} 1',
    'controller_runtime_reconcile_errors_total{controller="q"} 1',
    'controller_runtime_reconcile_time_seconds_bucket{le="0.3",controller="q"} 1',
    'controller_runtime_active_workers{controller="q"} 0',
    'cedana_reflector_lists_total{reflector="nodes"} 1',
    'cedana_reflector_list_items{reflector="nodes"} 7',
    'cedana_reflector_watches_total{reflector="nodes"} 1',
    'cedana_reflector_failures_total{reflector="nodes"} 1',
    'rest_client_requests_total{code="409",method="PATCH",host="10.0.0.1:443"} 1',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).toMatch(/cedana_reflector_last_contact_timestamp_seconds\{reflector="nodes"\} 1\d{9}/);
});

test("registers custom metrics per instance", async () => {
  const one = new Metrics();
  let waiting = 4;
  one.gauge("cedana_waiting", "Nodes that wait", ["why"], (gauge) => gauge.set({ why: "pod" }, waiting));
  one.counter("cedana_done_total", "Done").inc();
  one.histogram("cedana_took_seconds", "Took").observe(1);
  waiting = 5;
  const text = await one.registry.metrics();
  expect(text).toContain('cedana_waiting{why="pod"} 5\n');
  expect(text).toContain("cedana_done_total 1\n");
  expect(text).toContain('cedana_took_seconds_bucket{le="1"} 1\n');
  const other = new Metrics();
  const results = ["good", "bad"].map((result) => ({ result }));
  other.counter("cedana_ended_total", "Ended", ["result"], results).inc({ result: "bad" });
  const ended = await other.registry.metrics();
  expect(ended).toContain('cedana_ended_total{result="good"} 0\n');
  expect(ended).toContain('cedana_ended_total{result="bad"} 1\n');
  other.counter("cedana_done_total", "Done");
  expect(await other.registry.metrics()).toContain("cedana_done_total 0\n");
});
