/**
 * The Kubernetes library of programs: client, cache, controllers, leader election, events, metrics,
 * webhooks and process.
 */
export { Backoff, exponential, PerKeyBackoff, retryUntilWritten, sleep } from "./backoff";
export { BoundedMap } from "./bounded-map";
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
export { parallel } from "./parallel";
export { atOnce, each, mapped, sorted, Turn, type Steps } from "./turn";
export * from "./process";
export {
  certificateControllers,
  InvalidReviewError,
  REFUSALS,
  WEBHOOK_ARGUMENT,
  WebhookProcess,
  webhookCounters,
  WebhookServer,
  type AdmissionHandler,
  type AdmissionRequest,
  type AdmissionResponse,
  type PlainHandler,
  type PlainRequest,
  type PlainResponse,
  type PlainRules,
  type Refusal,
  type Webhook,
  type WebhookProcessOptions,
} from "./webhook";
