/** The certificate of the webhook: issued here, kept in a Secret, trusted by the API server. */
export { WEBHOOK_CONFIGURATION, type WebhookConfiguration } from "./configuration";
export { issue, validityOf, LIFETIME_MS, type Pair } from "./issue";
export { CertificateRotator } from "./rotator";
export { after, bundleOf, nextStep, SETTLE_MS, type Held } from "./plan";
export { CERTIFICATE_SECRET, projectSecret, secretData, type CertificateSecret } from "./secret";
