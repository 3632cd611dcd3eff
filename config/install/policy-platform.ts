import type { CheckpointPolicySpec } from "../../api";
import { described, integer, shape } from "../schema";
import type { Problem } from "../schema/problem";
import * as v from "../schema/valibot";

/** Units of the platform's heartbeats. */
export const HEARTBEAT_UNITS = ["minutes", "seconds"] as const;
/** What the controller does about a copy that was changed or deleted in the platform. */
export const DRIFT_MODES = ["report", "correct"] as const;
/** Seconds between two comparisons with the platform. */
export const compareSeconds = integer(30, 3600);

/** Describes the mirror of policies in Cedana's platform. */
export const policyPlatformSchema = shape({
  heartbeatUnit: described(
    v.picklist(HEARTBEAT_UNITS),
    "Unit of heartbeats in the platform's API, which does not document it. Create a policy in the dashboard and compare: docs/policies.md.",
  ),
  drift: described(
    v.optional(v.picklist(DRIFT_MODES), "report"),
    "What the controller does about a copy that was changed or deleted in the platform. report: it only reports this in the status of the policy and in metrics. correct: it changes the copy back or creates it again.",
  ),
  compareSeconds: described(
    v.optional(compareSeconds, 60),
    "Seconds between two comparisons of the copies with their policies. A comparison is one request for all copies.",
  ),
});

/** Checks that the install mirrors a policy with the executor `Platform`. Paths begin with a field of `spec`. */
export function checkExecutor(
  { executor }: Pick<CheckpointPolicySpec, "executor">,
  platform: object | false,
): Problem[] {
  if (executor !== "Platform" || platform) return [];
  return [
    {
      code: "executor-not-enabled",
      path: ["executor"],
      message: "has no effect: the install mirrors no policies, and nothing would execute this one",
      given: "Platform",
      remedy: "set install.policies.platform, with the engine cedana, or remove it",
    },
  ];
}
