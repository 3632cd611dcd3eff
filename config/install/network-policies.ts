import * as v from "../schema/valibot";
import { described, integer, shape } from "../schema";

export const networkPoliciesSchema = shape({
  egressPorts: described(
    v.optional(v.array(integer(1, 65_535)), [443, 6443, 5671, 5672]),
    "TCP ports to which programs of the install may connect, in addition to those of the engine: the API server (443, 6443), RabbitMQ (5671, 5672).",
  ),
});
