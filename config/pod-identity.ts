import * as v from "./schema/valibot";
import { described, dnsLabel, dnsSubdomain, rule, shape } from "./schema";
import { isToken } from "./schema/rule";

/** Describes a ServiceAccount that gets AWS permissions. */
export const serviceAccountSchema = shape({
  namespace: described(dnsLabel, "Namespace of the ServiceAccount."),
  serviceAccount: described(dnsSubdomain, "Name of the ServiceAccount. It need not exist yet."),
});

export interface ServiceAccountSpec extends v.InferInput<typeof serviceAccountSchema> {}

type ServiceAccount = v.InferOutput<typeof serviceAccountSchema>;

const literal = rule<ServiceAccount[]>({
  code: "unresolved-token",
  test: (accounts) =>
    !accounts.some((account) => isToken(account.namespace) || isToken(account.serviceAccount)),
  message: "contains a Terraform token, but resource addresses depend on the names",
  allowed: "literal values",
});

const unique = rule<ServiceAccount[]>({
  code: "duplicate",
  test: (accounts) =>
    new Set(accounts.map((account) => `${account.namespace}/${account.serviceAccount}`)).size ===
    accounts.length,
  message: "contains a ServiceAccount twice",
  allowed: "each ServiceAccount once",
  remedy: "remove one of them",
});

/** Returns the schema of a list of ServiceAccounts. Each one gets its own IAM role. */
export function serviceAccounts(text: string) {
  return described(v.optional(v.pipe(v.array(serviceAccountSchema), literal, unique), []), text);
}
