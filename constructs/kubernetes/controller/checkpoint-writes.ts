/** What the policies on writes of Checkpoints share. */
import { AUTOMATION_GROUP, IMPORT_VERB } from "../../../api";
import type { Rule } from "../admission";

/** Creations and updates of Checkpoints, but not of their status. */
export const CHECKPOINT_WRITES: readonly Rule[] = [
  {
    apiGroups: [AUTOMATION_GROUP],
    apiVersions: ["*"],
    resources: ["checkpoints"],
    operations: ["CREATE", "UPDATE"],
    scope: "Namespaced",
  },
];

/** The variable that says whether the user may import Checkpoints into the namespace. */
export const MAY_IMPORT = {
  name: "mayImport",
  expression: `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').namespace(request.namespace).check('${IMPORT_VERB}').allowed()`,
} as const;
