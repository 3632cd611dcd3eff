import * as v from "../schema/valibot";
import { namespaces } from "../pod";
import { described, integer, shape } from "../schema";
import type { ResolvedInstall } from "./schema";

export const checkpointsSchema = shape({
  namespaces: described(
    v.optional(namespaces, ["default"]),
    "Namespaces whose Checkpoint objects are reconciled. all: every namespace.",
  ),
  maxPerNode: described(
    v.optional(integer(1, 100), 2),
    "Maximum number of checkpoints in flight on one node.",
  ),
  timeoutSeconds: described(v.optional(integer(1, 86_400), 600), "Seconds after which a checkpoint fails."),
});

/** Settings of checkpoints in at least one namespace. */
export type CheckpointsOf = v.InferOutput<typeof checkpointsSchema>;

/** Returns the settings of checkpoints, or false without a controller or without a namespace. */
export function checkpointsOf({ controller, checkpoints }: ResolvedInstall): CheckpointsOf | false {
  if (!controller || checkpoints === false) return false;
  const settings = checkpoints ?? v.parse(checkpointsSchema, {});
  return settings.namespaces.length > 0 && settings;
}
