/** Limits of what the actions of policies may write. */
import { policiesOf, type ResolvedInstall } from "../../../config/install";
import type { Rule } from "../admission";

/** A limit of the controller's requests to one resource. */
export interface Bound {
  readonly id: string;
  readonly rule: Rule;
  readonly validations: readonly { readonly expression: string; readonly message: string }[];
}

/** Returns the limits for the actions that the install enables. */
export function actionBounds(install: ResolvedInstall): readonly Bound[] {
  const policies = policiesOf(install);
  if (!policies) return [];
  const { actions } = policies;
  return actions.includes("checkpointThenDelete") ? [EVICTIONS] : [];
}

/** Without the UID, another pod of the name could be evicted that has no Checkpoint. */
const EVICTIONS: Bound = {
  id: "evictions",
  rule: {
    apiGroups: [""],
    apiVersions: ["v1"],
    resources: ["pods/eviction"],
    operations: ["CREATE"],
    scope: "Namespaced",
  },
  validations: [
    {
      expression:
        "object.?deleteOptions.?preconditions.?uid.orValue('') != '' && !object.?deleteOptions.?gracePeriodSeconds.hasValue()",
      message: "the controller evicts only the pod with a UID, and does not shorten its grace period",
    },
  ],
};
