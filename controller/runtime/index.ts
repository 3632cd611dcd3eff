/** What every controller stands on: caches, queues, the lease, events, metrics, the process. */
export type { EventInput, Events } from "./events";
export { createLogger, type Logger, type LogLevel } from "./log";
export {
  Metrics,
  type ControllerMetrics,
  type QueueMetrics,
  type QueueState,
  type ReconcileResult,
  type ReflectorMetrics,
} from "./metrics";
export type { Part, PartReflector } from "./part";
