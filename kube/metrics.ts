import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

/** Upper bounds in seconds: controller-runtime's of reconcile_time_seconds. */
const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

/** Current state of a queue, read when metrics are scraped. */
export interface QueueState {
  /** Returns the number of keys that wait for a worker. */
  depth(): number;
  /** Returns the seconds since the start of each reconcile in progress. */
  workingSeconds(): readonly number[];
}

/** Records events of a queue. */
export interface QueueMetrics {
  /** A key was added. */
  added(): void;
  /** A key was added again with backoff. */
  retried(): void;
  /** A worker took a key that was in the queue for this time. */
  waited(seconds: number): void;
  /** A worker finished a key after this time. */
  worked(seconds: number): void;
}

/** controller-runtime's results of a reconcile. */
export type ReconcileResult = "success" | "error" | "requeue_after";

/** Records reconciles of a controller. */
export interface ControllerMetrics {
  /** A worker started to reconcile a key. */
  started(): void;
  /** The reconcile ended. */
  ended(result: ReconcileResult, seconds: number): void;
}

/** Records lists and watches of a reflector. */
export interface ReflectorMetrics {
  /** A full list was read. */
  listed(items: number): void;
  /** A watch was opened. */
  watched(): void;
  /** A list or watch failed, or a watch stalled. */
  failed(): void;
  /** The API server responded. */
  contact(): void;
  /** The API server began, or ended, to deny the list. */
  denied(denied: boolean): void;
}

const QUEUE = ["name", "controller"] as const;
const CONTROLLER = ["controller"] as const;
const REFLECTOR = ["reflector"] as const;

/** The metrics of one process, with the names of controller-runtime. Each instance has a separate registry. */
export class Metrics {
  readonly registry = new Registry();
  private readonly queues = new Map<string, QueueState>();

  private readonly adds = this.newCounter("workqueue_adds_total", "Number of keys added to the queue", QUEUE);
  private readonly retries = this.newCounter(
    "workqueue_retries_total",
    "Number of keys added again with backoff",
    QUEUE,
  );
  private readonly waits = this.newHistogram(
    "workqueue_queue_duration_seconds",
    "Time of a key in the queue, in seconds",
    QUEUE,
  );
  private readonly works = this.newHistogram(
    "workqueue_work_duration_seconds",
    "Time of the reconcile of a key, in seconds",
    QUEUE,
  );
  private readonly reconciles = this.newCounter(
    "controller_runtime_reconcile_total",
    "Number of reconciles by result",
    ["controller", "result"],
  );
  private readonly errors = this.newCounter(
    "controller_runtime_reconcile_errors_total",
    "Number of failed reconciles",
    CONTROLLER,
  );
  private readonly times = this.newHistogram(
    "controller_runtime_reconcile_time_seconds",
    "Duration of a reconcile, in seconds",
    CONTROLLER,
  );
  private readonly active = this.newGauge(
    "controller_runtime_active_workers",
    "Number of workers that reconcile a key",
    CONTROLLER,
  );
  private readonly workers = this.newGauge(
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles",
    CONTROLLER,
  );
  private readonly leaders = this.newGauge(
    "leader_election_master_status",
    "1 if this process holds the Lease, else 0",
    ["name"],
  );
  private readonly requests = this.newCounter(
    "rest_client_requests_total",
    "Number of requests to the API server",
    ["code", "method", "host"],
  );
  private readonly lists = this.newCounter(
    "cedana_reflector_lists_total",
    "Number of complete lists read",
    REFLECTOR,
  );
  private readonly items = this.newGauge(
    "cedana_reflector_list_items",
    "Number of objects in the last list",
    REFLECTOR,
  );
  private readonly watches = this.newCounter(
    "cedana_reflector_watches_total",
    "Number of watches opened",
    REFLECTOR,
  );
  private readonly failures = this.newCounter(
    "cedana_reflector_failures_total",
    "Number of failed lists and watches, including watches without a response",
    REFLECTOR,
  );
  private readonly denials = this.newGauge(
    "cedana_reflector_denied",
    "1 while the API server denies the list or watch: a permission or the kind is missing; else 0",
    REFLECTOR,
  );
  private readonly contacts = this.newGauge(
    "cedana_reflector_last_contact_timestamp_seconds",
    "Time of the last response of the API server, in seconds since the epoch",
    REFLECTOR,
  );

  constructor() {
    this.queueGauge("workqueue_depth", "Number of keys that wait for a worker", (queue) => queue.depth());
    this.queueGauge(
      "workqueue_unfinished_work_seconds",
      "Total age of all reconciles in progress, in seconds",
      (queue) => queue.workingSeconds().reduce((sum, seconds) => sum + seconds, 0),
    );
    this.queueGauge(
      "workqueue_longest_running_processor_seconds",
      "Age of the oldest reconcile in progress, in seconds",
      (queue) => Math.max(0, ...queue.workingSeconds()),
    );
  }

  /** Adds the metrics `process_*` and `nodejs_*`. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  queue(name: string, state: QueueState): QueueMetrics {
    this.queues.set(name, state);
    const labels = { name, controller: name };
    for (const counter of [this.adds, this.retries]) counter.inc(labels, 0);
    return {
      added: () => this.adds.inc(labels),
      retried: () => this.retries.inc(labels),
      waited: (seconds) => this.waits.observe(labels, seconds),
      worked: (seconds) => this.works.observe(labels, seconds),
    };
  }

  controller(controller: string, workers: number): ControllerMetrics {
    this.workers.set({ controller }, workers);
    this.active.set({ controller }, 0);
    for (const result of ["success", "error", "requeue_after"])
      this.reconciles.inc({ controller, result }, 0);
    this.errors.inc({ controller }, 0);
    return {
      started: () => this.active.inc({ controller }),
      ended: (result, seconds) => {
        this.active.dec({ controller });
        this.reconciles.inc({ controller, result });
        if (result === "error") this.errors.inc({ controller });
        this.times.observe({ controller }, seconds);
      },
    };
  }

  reflector(reflector: string): ReflectorMetrics {
    for (const counter of [this.lists, this.watches, this.failures]) counter.inc({ reflector }, 0);
    this.denials.set({ reflector }, 0);
    return {
      listed: (items) => {
        this.lists.inc({ reflector });
        this.items.set({ reflector }, items);
      },
      watched: () => this.watches.inc({ reflector }),
      failed: () => this.failures.inc({ reflector }),
      contact: () => this.contacts.set({ reflector }, Date.now() / 1000),
      denied: (denied) => this.denials.set({ reflector }, denied ? 1 : 0),
    };
  }

  /** Records whether this process holds the Lease. */
  leading(name: string, leads: boolean): void {
    this.leaders.set({ name }, leads ? 1 : 0);
  }

  /** Counts a request. `code` is the HTTP status, or `<error>` without a response, as in client-go. */
  request(request: { readonly code: string; readonly method: string; readonly host: string }): void {
    this.requests.inc({ ...request });
  }

  /**
   * Creates a counter of a controller. The series of `start` begin at 0: Prometheus' `increase` misses the first event of a
   * series that begins at 1.
   * @param start all values of the labels that can occur
   */
  counter<L extends string = never>(
    name: `cedana_${string}_total`,
    help: string,
    labels: readonly L[] = [],
    start: readonly Readonly<Record<L, string>>[] = [],
  ): Counter<L> {
    const counter = this.newCounter(name, help, labels);
    for (const series of start) counter.inc(series, 0);
    return counter;
  }

  /** Creates a gauge of a controller. `read`, if given, sets it when metrics are scraped. */
  gauge<L extends string = never>(
    name: `cedana_${string}`,
    help: string,
    labels: readonly L[] = [],
    read?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    return this.newGauge(name, help, labels, read);
  }

  /** Creates a histogram of a controller. Default of `buckets`: seconds up to 60. */
  histogram<L extends string = never>(
    name: `cedana_${string}`,
    help: string,
    labels: readonly L[] = [],
    buckets: readonly number[] = SECONDS,
  ): Histogram<L> {
    return this.newHistogram(name, help, labels, buckets);
  }

  private newCounter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private newGauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    const gauge: Gauge<L> = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => read?.(gauge),
    });
    return gauge;
  }

  private newHistogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[] = SECONDS,
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, registers: [this.registry], buckets: [...buckets] });
  }

  private queueGauge(name: string, help: string, value: (queue: QueueState) => number): void {
    this.newGauge(name, help, QUEUE, (gauge) => {
      for (const [queue, state] of this.queues) gauge.set({ name: queue, controller: queue }, value(state));
    });
  }
}
