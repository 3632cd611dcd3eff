import { ACTION_FIELDS, type ClusterCheckpointPolicySpec } from "../../api";
import { described } from "../schema";
import type { Problem } from "../schema/problem";
import * as v from "../schema/valibot";

export type ActionName = keyof typeof ACTION_FIELDS;

/** Names of all actions. */
export const ACTION_NAMES = Object.keys(ACTION_FIELDS) as ActionName[];
/** Actions that need no permission to change or delete anything. */
export const DEFAULT_ACTIONS: ActionName[] = ["checkpoint"];

export const policyActionsSchema = described(
  v.optional(v.pipe(v.array(v.picklist(ACTION_NAMES)), v.minLength(1)), DEFAULT_ACTIONS),
  "Actions that policies can have. The controller has the permissions of these: checkpointThenDelete evicts pods, deleteCheckpoints deletes Checkpoints, suspend and resume scale workloads.",
);

/** Checks that the install enables the action of a policy. Paths begin with a field of `spec`. */
export function checkAction(
  { action }: Pick<ClusterCheckpointPolicySpec, "action">,
  enabled: readonly ActionName[],
): Problem[] {
  // Exactly one, by the rule of the kind.
  const [name = ""] = Object.keys(action);
  if (enabled.some((one) => one === name)) return [];
  return [
    {
      code: "action-not-enabled",
      path: ["action", name],
      message: "is an action that the install does not enable",
      allowed: enabled.join(", "),
      remedy: `add ${name} to install.policies.actions`,
    },
  ];
}
