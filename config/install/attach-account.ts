import * as v from "valibot";
import { described, dnsSubdomain, pattern, shape } from "../schema";

export const attachAccountSchema = shape({
  name: described(v.optional(dnsSubdomain), "Name of the ServiceAccount. Default: <name>-attach."),
  permissions: described(
    v.optional(v.picklist(["install", "cluster-admin"]), "install"),
    "install: what putting in and taking out the objects of this install needs. cluster-admin: everything, everywhere.",
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
            "Its name, as the API server knows it.",
          ),
        }),
      ),
      [],
    ),
    "Who may ask for a token of the account (kubectl create token). Default: nobody but administrators.",
  ),
});
