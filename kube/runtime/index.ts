/** What every controller stands on: stores that follow the API server, queues, and workers. */
export { at, isTrueAt, itemsAt, numberAt, textAt, textsAt, type Json, type JsonObject } from "./json";
export { isOlder, keyOf, metadataOf, pathOf, type KubernetesObject, type ObjectMetadata } from "./objects";
export { Store, type Change, type Indexes } from "./store";
export { Reflector, type ReflectorOptions } from "./reflector";
export { WorkQueue, type WorkQueueOptions } from "./queue";
export { runWorkers, type Reconcile, type WorkersOptions } from "./workers";
export { LeaderElector, type LeaderElectorOptions } from "./elector";
export { EventRecorder, type Events, type EventRecorderOptions } from "./events";
export type { EventInput } from "./events-series";
export { fenced, NotLeaderError, type Fence } from "./fenced";
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
export { StatusServer, metricsRoute, probes, type HealthCheck, type Routes } from "./health";
export { EventLoopCheck, contactChecks, leaseCheck, syncChecks } from "./health-checks";
export { EXIT, runProcess, type RunProcessOptions } from "./process";
