import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

/** Upper bounds in seconds: controller-runtime's of reconcile_time_seconds. */
const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

/** What a queue tells when metrics are read. */
export interface QueueState {
  /** Keys that wait for a worker. */
  depth(): number;
  /** Seconds since the start of each reconcile that is under way. */
  workingSeconds(): readonly number[];
}

/** What a queue tells as it happens. */
export interface QueueMetrics {
  /** A key was taken in. */
  added(): void;
  /** A key was taken in again with backoff. */
  retried(): void;
  /** A key was handed to a worker after so long in the queue. */
  waited(seconds: number): void;
  /** A worker was done with a key after so long. */
  worked(seconds: number): void;
}

/** controller-runtime's results of a reconcile. */
export type ReconcileResult = "success" | "error" | "requeue_after";

export interface ControllerMetrics {
  /** A worker takes up a key. */
  started(): void;
  /** The worker is done with it. */
  ended(result: ReconcileResult, seconds: number): void;
}

export interface ReflectorMetrics {
  /** A full list was read. */
  listed(items: number): void;
  /** A watch was opened. */
  watched(): void;
  /** A list or watch failed, or a watch stalled. */
  failed(): void;
  /** The API server was heard of. */
  contact(): void;
}

const QUEUE = ["name", "controller"] as const;
const CONTROLLER = ["controller"] as const;
const REFLECTOR = ["reflector"] as const;

/**
 * The metrics of one process, under controller-runtime's names. Nothing is global: each instance has its own registry.
 */
export class Metrics {
  readonly registry = new Registry();
  private readonly queues = new Map<string, QueueState>();

  private readonly adds = this.newCounter("workqueue_adds_total", "Keys taken into the queue", QUEUE);
  private readonly retries = this.newCounter("workqueue_retries_total", "Keys taken in with backoff", QUEUE);
  private readonly waits = this.newHistogram("workqueue_queue_duration_seconds", "Key in the queue", QUEUE);
  private readonly works = this.newHistogram("workqueue_work_duration_seconds", "Key with a worker", QUEUE);
  private readonly reconciles = this.newCounter(
    "controller_runtime_reconcile_total",
    "Reconciles by result",
    ["controller", "result"],
  );
  private readonly errors = this.newCounter(
    "controller_runtime_reconcile_errors_total",
    "Reconciles that failed",
    CONTROLLER,
  );
  private readonly times = this.newHistogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of a reconcile",
    CONTROLLER,
  );
  private readonly active = this.newGauge(
    "controller_runtime_active_workers",
    "Workers with a key",
    CONTROLLER,
  );
  private readonly workers = this.newGauge(
    "controller_runtime_max_concurrent_reconciles",
    "Workers there are",
    CONTROLLER,
  );
  private readonly leaders = this.newGauge(
    "leader_election_master_status",
    "1 while this process holds the Lease",
    ["name"],
  );
  private readonly requests = this.newCounter("rest_client_requests_total", "Requests to the API server", [
    "code",
    "method",
    "host",
  ]);
  private readonly lists = this.newCounter("cedana_reflector_lists_total", "Full lists read", REFLECTOR);
  private readonly items = this.newGauge(
    "cedana_reflector_list_items",
    "Objects in the last list",
    REFLECTOR,
  );
  private readonly watches = this.newCounter("cedana_reflector_watches_total", "Watches opened", REFLECTOR);
  private readonly failures = this.newCounter(
    "cedana_reflector_failures_total",
    "Lists and watches that failed, and watches that went silent",
    REFLECTOR,
  );
  private readonly contacts = this.newGauge(
    "cedana_reflector_last_contact_timestamp_seconds",
    "When the API server was last heard of",
    REFLECTOR,
  );

  constructor() {
    this.queueGauge("workqueue_depth", "Keys that wait", (queue) => queue.depth());
    this.queueGauge("workqueue_unfinished_work_seconds", "Age of all reconciles under way, summed", (queue) =>
      queue.workingSeconds().reduce((sum, seconds) => sum + seconds, 0),
    );
    this.queueGauge(
      "workqueue_longest_running_processor_seconds",
      "Age of the oldest reconcile under way",
      (queue) => Math.max(0, ...queue.workingSeconds()),
    );
  }

  /** Adds `process_*` and `nodejs_*`. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  queue(name: string, state: QueueState): QueueMetrics {
    this.queues.set(name, state);
    const labels = { name, controller: name };
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
    return {
      listed: (items) => {
        this.lists.inc({ reflector });
        this.items.set({ reflector }, items);
      },
      watched: () => this.watches.inc({ reflector }),
      failed: () => this.failures.inc({ reflector }),
      contact: () => this.contacts.set({ reflector }, Date.now() / 1000),
    };
  }

  /** @param name name of the Lease */
  leading(name: string, leads: boolean): void {
    this.leaders.set({ name }, leads ? 1 : 0);
  }

  /** @param request.code HTTP status, or `<error>` where there was no answer (client-go's word) */
  request(request: { readonly code: string; readonly method: string; readonly host: string }): void {
    this.requests.inc({ ...request });
  }

  /** A counter of a part. */
  counter<L extends string = never>(
    name: `cedana_${string}_total`,
    help: string,
    labels: readonly L[] = [],
  ): Counter<L> {
    return this.newCounter(name, help, labels);
  }

  /** A gauge of a part. `read`, if given, sets it each time metrics are read. */
  gauge<L extends string = never>(
    name: `cedana_${string}`,
    help: string,
    labels: readonly L[] = [],
    read?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    return this.newGauge(name, help, labels, read);
  }

  /** A histogram of a part; without `buckets`, of seconds up to 60. */
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
