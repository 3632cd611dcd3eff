import * as v from "./schema/valibot";
import { described, dnsLabel, dnsSubdomain, rule, shape } from "./schema";
import { isToken } from "./schema/rule";

/** A ServiceAccount that gets AWS permissions. */
export const serviceAccountSchema = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  serviceAccount: described(dnsSubdomain, "Name of the ServiceAccount. It need not exist yet."),
});

export interface ServiceAccountSpec extends v.InferInput<typeof serviceAccountSchema> {}

type ServiceAccount = v.InferOutput<typeof serviceAccountSchema>;

const plain = rule<ServiceAccount[]>({
  code: "not-plain",
  test: (accounts) =>
    !accounts.some((account) => isToken(account.namespace) || isToken(account.serviceAccount)),
  message: "has a name that is known only when Terraform runs, but it is part of addresses in the state",
  allowed: "plain values",
});

const once = rule<ServiceAccount[]>({
  code: "duplicate",
  test: (accounts) =>
    new Set(accounts.map((account) => `${account.namespace}/${account.serviceAccount}`)).size ===
    accounts.length,
  message: "names one ServiceAccount twice",
  allowed: "each ServiceAccount once",
  remedy: "leave one out",
});

/** Returns the schema of ServiceAccounts of this cluster that get access, each through a separate role. */
export function serviceAccounts(text: string) {
  return described(v.optional(v.pipe(v.array(serviceAccountSchema), plain, once), []), text);
}
