import { namesOf } from "./names";
import { policiesOf, type ResolvedInstall } from "./schema";

/** Returns the DNS names of the Services of the controller's webhooks, for their certificate. */
export function servedNames(install: ResolvedInstall): string[] {
  const { restore, policyWebhook } = namesOf(install);
  const policies = policiesOf(install);
  const services = [restore, ...(policies && policies.webhook ? [policyWebhook] : [])];
  return services.map((service) => `${service}.${install.namespace}.svc`);
}
