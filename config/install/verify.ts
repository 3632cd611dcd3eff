import { labels, quantities } from "../pod";
import { derived, described, integer, parseQuantity, shape } from "../schema";
import { printable, type Problem } from "../schema/problem";
import * as v from "../schema/valibot";

/** Describes the verification of Checkpoints in sandbox pods. */
export const verifySchema = shape({
  maxInFlight: described(v.optional(integer(1, 100), 2), "Maximum number of sandbox pods of all policies."),
  maxRequests: described(
    derived(quantities, "no limit"),
    "Maximum total of the resource requests of the sandbox pods, for cpu, memory and ephemeral-storage. A pod that alone exceeds it is not verified.",
  ),
  nodeSelector: described(
    v.optional(labels, {}),
    "Labels of the nodes for sandbox pods, in addition to the nodeSelector of the pod.",
  ),
});

/** Settings of verifications. */
export type VerifyOf = v.InferOutput<typeof verifySchema>;

/** Resources whose total can be limited. Pods with others are not verified. */
const LIMITED = ["cpu", "memory", "ephemeral-storage"];

/**
 * Checks the settings of verifications. Paths begin with a property of `verify`.
 * @param namespaces namespaces whose Checkpoints are reconciled
 */
export function checkVerify(
  { maxRequests = {} }: VerifyOf,
  namespaces: "all" | readonly string[],
): Problem[] {
  return [
    ...Object.entries(maxRequests).flatMap(([name, given]): Problem[] =>
      LIMITED.includes(name) && (parseQuantity(given) ?? 0n) > 0n
        ? []
        : [
            {
              code: "invalid-limit",
              path: ["maxRequests", name],
              message: "limits nothing",
              given: printable(given),
              allowed: `${LIMITED.join(", ")}, with a quantity above 0`,
            },
          ],
    ),
    ...(namespaces === "all"
      ? [
          {
            code: "verify-in-all-namespaces",
            path: [],
            message:
              "requires a list of namespaces: the NetworkPolicy that isolates sandbox pods is created in each of them",
            given: "install.checkpoints.namespaces: all",
            allowed: "install.checkpoints.namespaces with names",
            remedy: "list the namespaces, or remove verify",
          },
        ]
      : []),
  ];
}
