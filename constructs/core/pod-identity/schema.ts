import * as v from "valibot";
import { described, dnsLabel, dnsSubdomain, shape } from "../schema";

/** The ServiceAccount that AWS permissions go to. */
export const serviceAccountSchema = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  serviceAccount: described(dnsSubdomain, "Name of the ServiceAccount. It need not exist yet."),
});

export interface ServiceAccountSpec extends v.InferInput<typeof serviceAccountSchema> {}

/** ServiceAccounts of this cluster that get access, each through a role of its own. */
export function serviceAccounts(text: string) {
  return described(v.optional(v.array(serviceAccountSchema), []), text);
}
