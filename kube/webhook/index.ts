/** Admission webhooks: one HTTPS server with handlers by path, and the rotation of its certificate. */
export {
  issue,
  LIFETIME_MS,
  validityOf,
  type Pair,
  after,
  bundleOf,
  nextStep,
  SETTLE_MS,
  type Held,
} from "./certificate";
export {
  WEBHOOK_CONFIGURATION,
  type WebhookConfiguration,
  CERTIFICATE_SECRET,
  type CertificateSecret,
} from "./objects";
export {
  certificateControllers,
  type CertificateControllerOptions,
  CertificateRotator,
  type CertificateSettings,
} from "./rotator";
export {
  InvalidReviewError,
  type AdmissionHandler,
  type AdmissionRequest,
  type AdmissionResponse,
} from "./review";
export { webhookCounters } from "./counters";
export { REFUSALS, type Refusal } from "./limits";
export type { PlainHandler, PlainRequest, PlainResponse, PlainRules } from "./plain";
export { runWebhookChild } from "./child";
export { WEBHOOK_ARGUMENT } from "./messages";
export { WebhookProcess, type WebhookProcessOptions } from "./process";
export { WebhookServer, type Webhook, type WebhookServerOptions } from "./server";
