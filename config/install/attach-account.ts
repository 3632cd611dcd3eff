import * as v from "../schema/valibot";
import { derived, described, dnsSubdomain, pattern, shape } from "../schema";

export const attachAccountSchema = shape({
  name: described(derived(dnsSubdomain, "<install.name>-attach"), "Name of the ServiceAccount."),
  permissions: described(
    v.optional(v.picklist(["install", "cluster-admin"]), "install"),
    "Rights of the account. install: to install and uninstall the objects of this install. cluster-admin: all rights.",
  ),
  tokenRequesters: described(
    v.optional(
      v.array(
        shape({
          kind: described(v.picklist(["User", "Group"]), "Kind of the subject."),
          name: described(
            pattern(/\S/, {
              code: "empty",
              message: "is empty",
              allowed: "a name, such as platform-engineers",
            }),
            "Name of the subject in the API server.",
          ),
        }),
      ),
      [],
    ),
    "Subjects that may request a token of the account (kubectl create token), in addition to administrators.",
  ),
});
