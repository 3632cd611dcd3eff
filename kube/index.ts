/** The Kubernetes library of programs: client, cache, controllers, leader election, events, metrics and process. */
export { Backoff, exponential, PerKeyBackoff, retryUntilWritten, sleep } from "./backoff";
export * from "./cache";
export * from "./client";
export * from "./controller";
export * from "./election";
export * from "./events";
export { createLogger, type Logger, type LogLevel } from "./log";
export {
  Metrics,
  type ControllerMetrics,
  type QueueMetrics,
  type QueueState,
  type ReconcileResult,
  type ReflectorMetrics,
} from "./metrics";
export * from "./process";
