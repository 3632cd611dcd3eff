/** The certificate of the webhook: issued here, kept in a Secret, trusted by the API server. */
export { projectConfiguration, type WebhookConfiguration } from "./configuration";
export { issue, validityOf, LIFETIME_MS, type Pair } from "./issue";
export { CertificateKeeper } from "./keeper";
export { after, bundleOf, nextStep, SETTLE_MS, type Held } from "./plan";
export { projectSecret, secretData, type CertificateSecret } from "./secret";
