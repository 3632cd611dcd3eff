import * as v from "../../schema/valibot";
import { DEFAULT_HANDLER } from "../../nodes/settings";
import { described, dnsLabel, dnsSubdomain, shape } from "../../schema";
import { quantities, toleration } from "../../pod";

export const runtimeClassSchema = shape({
  name: described(
    v.optional(dnsSubdomain, "cedana"),
    "Name of the RuntimeClass, to which runtimeClassName of a pod refers.",
  ),
  handler: described(
    v.optional(dnsLabel, DEFAULT_HANDLER),
    "Name of the runtime handler in containerd's configuration.",
  ),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Tolerations that each pod of the class gets. They must not tolerate the startup taint.",
  ),
  overhead: described(
    v.optional(quantities, {}),
    "Resources of the shim that are added to each pod. Empty: Cedana's shim has not been measured.",
  ),
});
