/** Admission webhooks: one HTTPS server with handlers by path, and the rotation of its certificate. */
export { issue, LIFETIME_MS, validityOf, type Pair } from "./certificate";
export { WEBHOOK_CONFIGURATION, type WebhookConfiguration } from "./configuration";
export { certificateControllers, type CertificateControllerOptions } from "./controllers";
export {
  InvalidReviewError,
  type AdmissionHandler,
  type AdmissionRequest,
  type AdmissionResponse,
} from "./review";
export { after, bundleOf, nextStep, SETTLE_MS, type Held } from "./rotation";
export { CertificateRotator, type CertificateSettings } from "./rotator";
export { CERTIFICATE_SECRET, type CertificateSecret } from "./secret";
export { WebhookServer, type WebhookServerOptions } from "./server";
