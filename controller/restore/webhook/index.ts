/** The admission webhook: what the API server asks when a pod that is to be restored is created. */
export { Admitter, type AdmitterOptions } from "./admitter";
export { readReview, writeReview, type PodReview, type Verdict } from "./review";
export { WebhookServer } from "./server";
