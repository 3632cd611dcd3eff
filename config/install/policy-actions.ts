import { ACTION_FIELDS, type ClusterCheckpointPolicySpec } from "../../api";
import { described } from "../schema";
import type { Problem } from "../schema/problem";
import * as v from "../schema/valibot";

/** Name of an action that `install.policies.actions` enables. `install.policies.verify` enables `verify`. */
export type ActionName = Exclude<keyof typeof ACTION_FIELDS, "verify">;

/** Names of all of these actions. */
export const ACTION_NAMES = Object.keys(ACTION_FIELDS).filter((name) => name !== "verify") as ActionName[];
/** Actions that need no permission to change or delete anything. */
export const DEFAULT_ACTIONS: ActionName[] = ["checkpoint"];

export const policyActionsSchema = described(
  v.optional(v.pipe(v.array(v.picklist(ACTION_NAMES)), v.minLength(1)), DEFAULT_ACTIONS),
  "Actions that policies can have, besides verify. The controller has the permissions of these: checkpointThenDelete evicts pods, deleteCheckpoints deletes Checkpoints, suspend and resume scale workloads, notify sends requests to the destinations in notify.",
);

/** What enables actions, with the defaults of an install. */
export interface ActionSettings {
  readonly actions?: readonly ActionName[] | undefined;
  /** Settings of the action `verify`. False: it is disabled. */
  readonly verify?: object | false | undefined;
}

/** Returns the names of the actions that an install enables. */
export function enabledActions({
  actions = DEFAULT_ACTIONS,
  verify = false,
}: ActionSettings): (keyof typeof ACTION_FIELDS)[] {
  return verify === false ? [...actions] : [...actions, "verify"];
}

/** Checks that the install enables the action of a policy. Paths begin with a field of `spec`. */
export function checkAction(
  { action }: Pick<ClusterCheckpointPolicySpec, "action">,
  settings: ActionSettings,
): Problem[] {
  // Exactly one, by the rule of the kind.
  const [name = ""] = Object.keys(action);
  const enabled = enabledActions(settings);
  if (enabled.some((one) => one === name)) return [];
  return [
    {
      code: "action-not-enabled",
      path: ["action", name],
      message: "is an action that the install does not enable",
      allowed: enabled.join(", "),
      remedy:
        name === "verify"
          ? "set install.policies.verify: {}, with the engine criu"
          : `add ${name} to install.policies.actions`,
    },
  ];
}
