import * as v from "valibot";
import { DEFAULT_HANDLER } from "../nodes/runtime-handler";
import { described, dnsLabel, dnsSubdomain, shape } from "../schema";
import { quantities, toleration } from "../pod";

export const runtimeClassSchema = shape({
  name: described(v.optional(dnsSubdomain, "cedana"), "What pods name as runtimeClassName."),
  handler: described(
    v.optional(dnsLabel, DEFAULT_HANDLER),
    "Name of the runtime in containerd's configuration.",
  ),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Tolerations that each pod of the class gets. The taint cedana.ai/not-ready does not belong here.",
  ),
  overhead: described(
    v.optional(quantities, {}),
    "What the shim of each pod takes. Default: none, because Cedana's shim has not been measured here.",
  ),
});
