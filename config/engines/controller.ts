/** Settings of the controller's checkpoints that do not depend on the engine. */
import * as v from "../schema/valibot";
import { someNamespaces } from "../pod";
import { described, directory, integer } from "../schema";

export const checkpointEntries = {
  namespaces: described(
    someNamespaces,
    "Namespaces whose Checkpoint objects are reconciled. all: every namespace.",
  ),
  maxPerNode: described(integer(1, 100), "Maximum number of checkpoints in flight on one node."),
  locations: described(
    v.array(directory),
    "Directories of nodes to which spec.location of a Checkpoint may refer.",
  ),
};

export const timeoutSeconds = described(integer(1, 86_400), "Seconds after which a checkpoint fails.");
