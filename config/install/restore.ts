import * as v from "../schema/valibot";
import { described, shape } from "../schema";

export const restoreSchema = shape({
  failurePolicy: described(
    v.optional(v.picklist(["Ignore", "Fail"]), "Ignore"),
    "What happens to a pod that requests a restore while no controller answers. Ignore: it starts without a checkpoint, unless it requests to stop instead. Fail: it is not admitted.",
  ),
  certificates: described(
    v.optional(v.picklist(["own", "cert-manager"]), "own"),
    "Issuer of the webhook's certificate. own: the controller, which stores it in a Secret. cert-manager: must be installed in the cluster.",
  ),
  grantToEditors: described(
    v.optional(v.boolean(), false),
    "Whether users who may edit a namespace may restore in it. The right is aggregated to the ClusterRoles edit and admin.",
  ),
});
